//! JSON that the host's code made: how deep it may be, and how much it holds.

use serde_json::Value;

/// How deep a value may be nested. What walks it recurses, even what frees it: one that is nested without measure would end the
/// process.
const MAX_DEPTH: usize = 64;
/// What stands for what was deeper.
const CUT: &str = "…";

/// Cuts off what is nested too deep, without recursion.
pub(super) fn bound_depth(value: &mut Value) {
    let mut level = vec![value];
    for _ in 0..MAX_DEPTH {
        let mut below = Vec::new();
        for value in level {
            match value {
                Value::Array(values) => below.extend(values),
                Value::Object(members) => below.extend(members.values_mut()),
                _ => {}
            }
        }
        level = below;
        if level.is_empty() {
            return;
        }
    }
    let containers = level.into_iter().filter(|value| value.is_array() || value.is_object());
    let mut cut: Vec<Value> = containers.map(|value| std::mem::replace(value, CUT.into())).collect();
    while let Some(value) = cut.pop() {
        match value {
            Value::Array(values) => cut.extend(values),
            Value::Object(members) => cut.extend(members.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// About how many bytes a value holds.
pub(super) fn size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(size).sum(),
            Value::Object(members) => members.iter().map(|(key, value)| 48 + key.len() + size(value)).sum(),
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_cut() {
        let mut value = json!({"leaf": 1});
        for level in 0..200_000 {
            let member = |value| Value::Object([("a".to_owned(), value)].into_iter().collect());
            value = if level % 2 == 0 { Value::Array(vec![value]) } else { member(value) };
        }
        bound_depth(&mut value);
        assert!(value.to_string().contains(CUT));
        assert!(size(&value) < 64 * 1024);
        let shallow = json!({"a": [1, {"b": [true, null, "text"]}]});
        let mut same = shallow.clone();
        bound_depth(&mut same);
        assert_eq!(same, shallow);
    }
}
