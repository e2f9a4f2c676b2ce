//! Names that announce a secret: `password`, `apiKey`, `X-Api-Key`. Source: Sentry's data-collection denylist, matched
//! by whole words instead of substrings, because these names stand in free-form JSON and not only in HTTP headers.

/// How surely a key's value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyClass {
    /// `password`, `api_key`: whatever the value.
    Strong,
    /// `token`, `auth`: in prose only when the value looks random; a number is a count.
    Weak,
    /// `authorization`, `cookie`: the value goes on to the end of the line.
    Header,
}

/// A word of up to 16 letters and digits in lowercase, packed so that comparing it is comparing a number; a longer one keeps
/// its end, which no listed word is.
type Word = u128;

/// Words that make a key a secret on their own.
#[rustfmt::skip]
const STRONG: &[Word] = &words([
    "password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "credential", "credentials", "jwt",
    "apikey", "apisecret", "apitoken", "privatekey", "secretkey", "accesskey", "clientsecret", "accesstoken", "authtoken",
    "refreshtoken", "idtoken", "bearertoken", "phpsessid", "jsessionid", "sessionid",
]);
/// Words that make a key a secret unless the value says otherwise.
const WEAK: &[Word] = &words(["token", "auth", "bearer", "pass", "csrf", "xsrf", "saml", "sid"]);
/// Header names whose value is the rest of the line.
const HEADERS: &[Word] = &words(["authorization", "cookie", "cookies"]);
/// Words that are a secret only behind one of the [`QUALIFIERS`].
const QUALIFIED: &[Word] = &words(["key", "keys", "tokens"]);
/// Words that make a following `key` or `token(s)` a secret: `api key`, `access_tokens`.
#[rustfmt::skip]
const QUALIFIERS: &[Word] = &words([
    "access", "account", "admin", "api", "app", "auth", "bearer", "bot", "client", "consumer", "decryption", "deploy", "encryption",
    "hmac", "id", "master", "oauth", "personal", "private", "refresh", "root", "secret", "security", "service", "session", "shared",
    "signing", "ssh", "storage", "subscription", "webhook",
]);
/// Last words after which the value describes the secret and is none: `token_count`, `passwordPolicy`.
#[rustfmt::skip]
const DESCRIPTIONS: &[Word] = &words([
    "age", "alg", "algorithm", "at", "audience", "budget", "cost", "count", "counts", "description", "domain", "enabled", "endpoint",
    "error", "estimate", "expiration", "expired", "expires", "expiry", "field", "format", "hint", "index", "issuer", "label", "len",
    "length", "limit", "limits", "method", "mode", "name", "names", "placeholder", "policy", "present", "price", "prompt", "provider",
    "rate", "remaining", "required", "scheme", "scope", "scopes", "size", "source", "status", "strength", "title", "ttl", "type", "uri",
    "url", "usage", "used", "valid", "version", "window",
]);
/// Words beside `token` that make it a cursor or a piece of text.
#[rustfmt::skip]
const NOT_A_CREDENTIAL: &[Word] = &words([
    "bos", "cached", "completion", "continuation", "cursor", "eos", "first", "input", "last", "max", "min", "next", "num", "output", "pad",
    "page", "per", "prev", "previous", "progress", "resume", "special", "stop", "sync", "total", "unexpected",
]);
const TOKEN: Word = words(["token"])[0];
/// Keys of Mastra's list that are too common to be secrets as a part of a longer name, or in prose: the key as a whole, in
/// whatever case.
const WHOLE_KEYS: &[&str] = &["key", "refresh", "ssn"];

/// Pairs of letters of which every word that can make a key a secret has one, and hardly any other key does: most keys are told
/// by a look at their letters, at 5 instructions each, and are never split into words.
const PAIRS: &[&[u8; 2]] =
    &[b"ke", b"as", b"wd", b"ec", b"ia", b"jw", b"au", b"ea", b"rf", b"ml", b"si", b"ki", b"sn", b"fr"];
/// The same: the second letters by the first one, both by their last five bits, which are the same for capitals.
const SECONDS: [u32; 32] = {
    let mut seconds = [0; 32];
    let mut index = 0;
    while index < PAIRS.len() {
        seconds[(PAIRS[index][0] & 31) as usize] |= 1 << (PAIRS[index][1] & 31);
        index += 1;
    }
    seconds
};
const _: () = {
    let lists = [STRONG, WEAK, HEADERS, QUALIFIED];
    let mut list = 0;
    while list < lists.len() {
        let mut word = 0;
        while word < lists[list].len() {
            assert!(may_be_secret(&lists[list][word].to_be_bytes()), "a word without one of the pairs");
            word += 1;
        }
        list += 1;
    }
    let mut whole = 0;
    while whole < WHOLE_KEYS.len() {
        assert!(may_be_secret(WHOLE_KEYS[whole].as_bytes()), "a key without one of the pairs");
        whole += 1;
    }
};

/// Whether a key names a secret: `password`, `apiKey`, `X-Api-Key`, `Authorization`; not `input_tokens`, not `author`.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    classify_key(key).is_some()
}

pub(super) fn classify_key(key: &str) -> Option<KeyClass> {
    if !may_be_secret(key.as_bytes()) {
        return None;
    }
    let (words, count) = split(key);
    let words = &words[..count];
    let (last, others) = words.split_first()?;
    let has = |list: &[Word]| words.iter().any(|word| list.contains(word));
    let is_qualified = || others.first().is_some_and(|word| QUALIFIERS.contains(word));

    let class = if QUALIFIED.contains(last) {
        is_qualified().then_some(KeyClass::Strong)
    } else if has(HEADERS) {
        Some(KeyClass::Header)
    } else if has(STRONG) || *last == TOKEN && is_qualified() {
        Some(KeyClass::Strong)
    } else {
        (has(WEAK) && !has(NOT_A_CREDENTIAL)).then_some(KeyClass::Weak)
    };
    class.filter(|_| !DESCRIPTIONS.contains(last))
}

/// Whether a key has one of the [`PAIRS`]: any other names no secret, nor is it one of the whole keys.
pub(super) const fn may_be_secret(key: &[u8]) -> bool {
    let mut at = 1;
    while at < key.len() {
        if is_pair(key[at - 1], key[at]) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether one of the [`PAIRS`] is of these letters.
const fn is_pair(first: u8, second: u8) -> bool {
    seconds_of(first) >> (second & 31) & 1 != 0
}

/// The second letters of the pairs that begin with this letter, as bits by their last five bits.
pub(super) const fn seconds_of(first: u8) -> u32 {
    SECONDS[(first & 31) as usize]
}

/// Whether a key of JSON is a secret as a whole: `key`, `refresh`, `ssn`.
pub(super) fn is_whole_key(key: &str) -> bool {
    WHOLE_KEYS.iter().any(|whole| whole.eq_ignore_ascii_case(key))
}

/// Whether one of the whole keys stands in quotes before the colon at `colon`.
pub(super) fn follows_whole_key(json: &[u8], colon: usize) -> bool {
    let Some(key) = json[..colon].strip_suffix(b"\"") else { return false };
    WHOLE_KEYS.iter().any(|whole| {
        key.len()
            .checked_sub(whole.len() + 1)
            .is_some_and(|start| key[start] == b'"' && key[start + 1..].eq_ignore_ascii_case(whole.as_bytes()))
    })
}

/// How many words have a place in [`LISTED`].
const PLACES: usize = 256;

/// The ends, of up to eight letters, of the words that are a secret key on their own, each at the [`place`] that its letters and
/// the factor give.
const LISTED: ([u64; PLACES], u64) = {
    let whole = words(["key", "refresh", "ssn"]);
    let lists: [&[Word]; 4] = [STRONG, WEAK, HEADERS, &whole];
    let mut factor: u64 = 0x9e37_79b9_7f4a_7c15;
    'factors: loop {
        let mut places = [0; PLACES];
        let mut list = 0;
        while list < lists.len() {
            let mut word = 0;
            while word < lists[list].len() {
                let letters = lists[list][word] as u64;
                let place = &mut places[place(letters, factor)];
                if *place != 0 && *place != letters {
                    factor = factor.wrapping_mul(0xd134_2543_de82_ef95);
                    continue 'factors;
                }
                *place = letters;
                word += 1;
            }
            list += 1;
        }
        break (places, factor);
    }
};

const fn place(letters: u64, factor: u64) -> usize {
    (letters.wrapping_mul(factor) >> (u64::BITS - PLACES.trailing_zeros())) as usize
}

/// Whether a word of up to 15 lowercase letters in quotes, that as a key names no secret, stands before the colon at `colon`: as
/// most keys of JSON are. Eight letters are looked at in one go.
#[inline(always)]
pub(super) fn follows_harmless_word(json: &[u8], colon: usize) -> bool {
    let Some((b'"', key)) = json[..colon].split_last() else { return false };
    let Some(letters) = key.last_chunk() else { return is_harmless_at_start(json, key.len()) };
    let letters = u64::from_be_bytes(*letters);
    let bits = bits_of_lowercase(letters);
    if bits == u64::BITS {
        return is_long_and_harmless(&key[..key.len() - 8], letters);
    }
    (letters >> bits) as u8 == b'"' && !is_listed(letters & !(u64::MAX << bits))
}

/// The same of a word that ends before the text's eighth byte.
#[inline(never)]
fn is_harmless_at_start(json: &[u8], end: usize) -> bool {
    let Some(letters) = json.first_chunk().filter(|_| end > 0) else { return false };
    let letters = u64::from_be_bytes(*letters) >> (8 * (8 - end));
    let bits = bits_of_lowercase(letters);
    letters.checked_shr(bits).is_some_and(|before| before as u8 == b'"') && !is_listed(letters & !(u64::MAX << bits))
}

/// The same of a word that ends with eight letters, behind `start`.
#[inline(never)]
fn is_long_and_harmless(start: &[u8], letters: u64) -> bool {
    let Some(before) = start.last_chunk() else { return false };
    let before = u64::from_be_bytes(*before);
    before.checked_shr(bits_of_lowercase(before)).is_some_and(|before| before as u8 == b'"') && !is_listed(letters)
}

#[inline(always)]
fn is_listed(word: u64) -> bool {
    LISTED.0[place(word, LISTED.1)] == word
}

/// How many bits of lowercase letters stand lowest in `bytes`.
#[inline(always)]
fn bits_of_lowercase(bytes: u64) -> u32 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Of the lowest byte that is no such letter, the highest bit is set in one of these; those above it do not count.
    let from_a = bytes.wrapping_sub(EACH * b'a' as u64);
    let others = (from_a | from_a.wrapping_add(EACH * (0x80 - 26))) & (EACH * 0x80);
    others.trailing_zeros() & !7
}

/// The last eight words of a key, the last one first: split at `_`, `-`, `.`, spaces and where camelCase changes.
fn split(key: &str) -> ([Word; 8], usize) {
    let bytes = key.as_bytes();
    let mut words = [0; 8];
    let (mut count, mut word, mut shift) = (0, 0, 0);
    for at in (0..bytes.len()).rev() {
        if count == words.len() {
            break;
        }
        if bytes[at].is_ascii_alphanumeric() && shift < Word::BITS {
            word |= Word::from(bytes[at].to_ascii_lowercase()) << shift;
            shift += 8;
        }
        if shift > 0 && (at == 0 || !bytes[at].is_ascii_alphanumeric() || begins_word(bytes, at)) {
            words[count] = word;
            count += 1;
            (word, shift) = (0, 0);
        }
    }
    (words, count)
}

/// Whether the letter at `at` begins a word: after a separator, `aB`, or the `B` of `ABc`.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    let (before, here) = (bytes[at - 1], bytes[at]);
    if !before.is_ascii_alphanumeric() {
        return true;
    }
    let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
    here.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_lower)
}

const fn words<const N: usize>(texts: [&str; N]) -> [Word; N] {
    let mut words = [0; N];
    let mut index = 0;
    while index < N {
        let bytes = texts[index].as_bytes();
        assert!(bytes.len() < 16, "a longer word would be cut");
        let mut at = 0;
        while at < bytes.len() {
            words[index] = words[index] << 8 | bytes[at] as Word;
            at += 1;
        }
        index += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised_in_every_spelling() {
        for key in [
            "password",
            "userPassword",
            "DB_PASSWORD",
            "password_hash",
            "pwd",
            "client_secret",
            "clientSecret",
            "CLIENTSECRET",
            "api_key",
            "apiKey",
            "APIKey",
            "X-Api-Key",
            "api key",
            "openai.api.key",
            "secret_access_key",
            "sshKey",
            "access_token",
            "accessTokens",
            "id_token",
            "token",
            "github_token",
            "Authorization",
            "proxy-authorization",
            "Set-Cookie",
            "auth",
            "csrf_token",
            "jwt",
            "credentials",
            "connect.sid",
            "JSESSIONID",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn names_that_only_sound_like_secrets_are_left_alone() {
        for key in [
            "",
            "_",
            "input_tokens",
            "gen_ai.usage.output_tokens",
            "maxTokens",
            "total_tokens",
            "token_count",
            "tokenLimit",
            "tokenizer",
            "next_page_token",
            "progressToken",
            "nextToken",
            "author",
            "authority",
            "auth_type",
            "monkey",
            "keyboard",
            "key",
            "public_key",
            "sort_key",
            "passage",
            "passenger",
            "password_policy",
            "secret_name",
            "session_id",
            "mcp.session.id",
            "secretary",
            "compass",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn a_word_is_only_harmless_as_a_key_when_it_names_no_secret() {
        let secrets = [STRONG, WEAK, HEADERS].concat();
        let spelled =
            |word: &Word| word.to_be_bytes().into_iter().filter(|byte| *byte != 0).map(char::from).collect::<String>();
        let listed = secrets.iter().map(spelled).chain(WHOLE_KEYS.iter().map(|key| (*key).to_owned()));
        for word in listed {
            for before in ["", "{", "[{\"a\":1,", "{\"text\":\"a longer text\","] {
                let json = format!("{before}\"{word}\":");
                assert!(!follows_harmless_word(json.as_bytes(), json.len() - 1), "{json}");
            }
        }
        for (json, is_harmless) in [
            ("{\"role\":", true),
            ("{\"text\":\"\",\"content\":", true),
            ("{\"text\":\"\",\"description\":", true),
            ("{\"text\":\"\",\"myrole\\\"role\":", true),
            ("{\"text\":\"\",\"my_role\":", false),
            ("{\"text\":\"\",`role\":", false),
            ("{\"text\":\"žrole\":", false),
            ("{\"text\": role:", false),
            ("role\":", false),
            (":", false),
        ] {
            assert_eq!(follows_harmless_word(json.as_bytes(), json.len() - 1), is_harmless, "{json}");
        }
    }
}
