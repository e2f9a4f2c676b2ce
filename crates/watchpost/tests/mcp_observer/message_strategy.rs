//! Random JSON-RPC messages as they might be written: known keys mostly, in any order, some twice, some of a wrong kind.

use proptest::prelude::*;

/// JSON as it is written: keys may repeat, and each text says how it is escaped.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Literal(&'static str),
    Number(String),
    Text(String, Escaping),
    Array(Vec<Self>),
    Object(Vec<(String, Escaping, Self)>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Escaping {
    Needed,
    All,
}

impl Json {
    fn write(&self, spaces: &str, out: &mut String) {
        match self {
            Self::Literal(text) => out.push_str(text),
            Self::Number(text) => out.push_str(text),
            Self::Text(text, escaping) => write_text(text, *escaping, out),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(spaces);
                    element.write(spaces, out);
                    out.push_str(spaces);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, escaping, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(spaces);
                    write_text(key, *escaping, out);
                    out.push_str(spaces);
                    out.push(':');
                    out.push_str(spaces);
                    value.write(spaces, out);
                    out.push_str(spaces);
                }
                out.push('}');
            }
        }
    }

    pub(crate) fn to_text(&self, spaces: &str) -> String {
        let mut out = String::new();
        self.write(spaces, &mut out);
        out
    }
}

fn write_text(text: &str, escaping: Escaping, out: &mut String) {
    match escaping {
        Escaping::Needed => out.push_str(&serde_json::to_string(text).unwrap()),
        Escaping::All => {
            out.push('"');
            text.encode_utf16().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            out.push('"');
        }
    }
}

fn escaping() -> impl Strategy<Value = Escaping> {
    prop_oneof![9 => Just(Escaping::Needed), 1 => Just(Escaping::All)]
}

fn text() -> impl Strategy<Value = Json> {
    (prop_oneof!["[a-z]{0,6}", any::<String>(), Just("text".to_owned()), Just(r#"a"b\c{}[],:"#.to_owned())], escaping())
        .prop_map(|(text, escaping)| Json::Text(text, escaping))
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => text(),
        2 => any::<i64>().prop_map(|number| Json::Number(number.to_string())),
        1 => "-?(0|[1-9][0-9]{0,4})\\.[0-9]{1,3}([eE][-+]?[0-9])?".prop_map(Json::Number),
        3 => prop::sample::select(&["true", "false", "null"][..]).prop_map(Json::Literal),
    ]
}

fn anything() -> BoxedStrategy<Json> {
    let key = || prop_oneof!["[a-z]{0,4}", prop::sample::select(KEYS).prop_map(str::to_owned), any::<String>()];
    scalar()
        .prop_recursive(3, 12, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
                prop::collection::vec((key(), escaping(), inner), 0..4).prop_map(Json::Object),
            ]
        })
        .boxed()
}

const KEYS: &[&str] =
    &["id", "method", "params", "result", "error", "name", "content", "_meta", "type", "text", "isError", "message"];

/// An object with members of `known`, most of the time of the right kind, in any order, some twice, some unknown.
fn object(known: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let known = (0..known.len()).prop_flat_map(move |index| {
        let (key, value) = known[index].clone();
        (Just(key.to_owned()), escaping(), prop_oneof![9 => value, 1 => anything()])
    });
    let member = prop_oneof![8 => known.boxed(), 1 => ("[a-zA-Z/]{0,3}", escaping(), anything()).boxed()];
    prop::collection::vec(member, 0..9).prop_map(Json::Object).boxed()
}

fn implementation() -> BoxedStrategy<Json> {
    object(["name", "title", "version"].map(|key| (key, text().boxed())).to_vec())
}

fn array_of(element: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    prop::collection::vec(prop_oneof![5 => element, 1 => anything()], 0..4).prop_map(Json::Array).boxed()
}

fn params() -> BoxedStrategy<Json> {
    let text = || text().boxed();
    let meta = object(vec![
        ("io.modelcontextprotocol/protocolVersion", text()),
        ("io.modelcontextprotocol/clientInfo", implementation()),
        ("traceparent", text()),
        ("sentry-trace", text()),
        ("baggage", text()),
        ("claudecode/toolUseId", text()),
        ("progressToken", scalar().boxed()),
    ]);
    object(vec![
        ("name", text()),
        ("uri", text()),
        ("ref", object(vec![("type", text()), ("name", text()), ("uri", text())])),
        ("level", text()),
        ("taskId", text()),
        ("requestId", scalar().boxed()),
        ("reason", text()),
        ("protocolVersion", text()),
        ("clientInfo", implementation()),
        ("arguments", anything()),
        ("_meta", meta),
    ])
}

fn result() -> BoxedStrategy<Json> {
    let text = || text().boxed();
    let block = object(vec![
        ("type", prop_oneof![Just(Json::Text("text".into(), Escaping::Needed)), text()].boxed()),
        ("text", text()),
    ]);
    object(vec![
        ("isError", scalar().boxed()),
        ("content", array_of(block)),
        ("messages", array_of(anything())),
        ("contents", array_of(anything())),
        ("structuredContent", anything()),
        ("resultType", text()),
        ("protocolVersion", text()),
        ("serverInfo", implementation()),
        ("_meta", object(vec![("io.modelcontextprotocol/serverInfo", implementation())])),
        ("task", object(vec![("taskId", text()), ("status", text())])),
    ])
}

pub(crate) fn message() -> BoxedStrategy<Json> {
    let text = || text().boxed();
    object(vec![
        ("jsonrpc", text()),
        ("id", scalar().boxed()),
        ("method", text()),
        ("params", params()),
        ("params", params()),
        ("result", result()),
        ("result", result()),
        ("error", object(vec![("code", scalar().boxed()), ("message", text()), ("data", anything())])),
    ])
}
