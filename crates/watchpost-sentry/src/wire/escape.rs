//! The inside of a JSON string: what must be escaped is, all else is copied. The hot path of everything that is sent: short names
//! and ids that need no escape, and JSON as a text, which needs one every few bytes. `benches/wire.rs` measures both.
//! Source: RFC 8259 §7.

/// Longer text is looked at in blocks of so many bytes, one bit of a word for each.
const BLOCK: usize = 64;
/// What lies between two escapes is copied as so many bytes, which is one instruction or two, and cut to its length. Only a
/// longer one is copied by its length.
const RUN: usize = 16;
const WORD: usize = 8;

/// A block and what may be read behind its end.
type Window = [u8; BLOCK + RUN];

/// Appends the inside of a JSON string, for callers that have the quotes in the constants around it.
pub(super) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let text = text.as_bytes();
    let is_written = match text.len() {
        0..4 => write_plain_bytes(out, text),
        4..8 => write_plain_ends::<4>(out, text),
        8..=16 => write_plain_ends::<8>(out, text),
        17..=32 => write_plain_ends::<16>(out, text),
        33..=64 => write_plain_ends::<32>(out, text),
        _ => false,
    };
    if !is_written {
        write_blocks(out, text);
    }
}

/// Writes text that needs no escape.
fn write_plain_bytes(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let is_plain = !text.iter().any(|&byte| must_escape(byte));
    if is_plain {
        out.extend_from_slice(text);
    }
    is_plain
}

/// Writes text of `N` to `2 * N` bytes that needs no escape: its first and its last `N` bytes, which may overlap. Copying a known
/// number of bytes takes half the time of copying by length.
fn write_plain_ends<const N: usize>(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) else { return false };
    // Every byte is asked, not only those up to the first escape: a vector comparison.
    let is_plain = !first.iter().chain(last).fold(false, |any, &byte| any | must_escape(byte));
    if is_plain {
        let end = out.len() + text.len();
        out.reserve(2 * N);
        out.extend_from_slice(first);
        out.truncate(end - N);
        out.extend_from_slice(last);
    }
    is_plain
}

// Not inlined: short text would pay for its window on the stack.
#[inline(never)]
fn write_blocks(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + text.len() / 4 + RUN);
    let mut rest = text;
    while !rest.is_empty() {
        let padded;
        let (window, length) = match rest.first_chunk() {
            Some(window) => (window, BLOCK),
            None => {
                padded = padded_window(rest);
                (&padded, rest.len().min(BLOCK))
            }
        };
        write_block(out, window, length);
        rest = &rest[length..];
    }
}

fn padded_window(text: &[u8]) -> Window {
    let mut window = [b' '; BLOCK + RUN];
    window[..text.len()].copy_from_slice(text);
    window
}

/// Writes the first `length` bytes, at most a block, with few branches that depend on where the escapes stand: in JSON as a text
/// nobody can predict them.
fn write_block(out: &mut Vec<u8>, window: &Window, length: usize) {
    let mut escapes = escapes_of_block(window);
    let mut from = 0;
    while escapes != 0 {
        let at = escapes.trailing_zeros() as usize;
        escapes &= escapes - 1;
        write_run(out, window, from, at);
        // A quote or backslash stands for itself behind the backslash: it is the first byte of the next run.
        from = at;
        if window[at] < 0x20 {
            write_control(out, window[at]);
            from += 1;
        } else {
            out.push(b'\\');
        }
    }
    out.extend_from_slice(&window[from..length]);
}

fn write_run(out: &mut Vec<u8>, window: &Window, from: usize, to: usize) {
    let end = out.len() + to - from;
    if let Some(run) = window[from..].first_chunk::<RUN>() {
        out.extend_from_slice(run);
    }
    if to - from > RUN {
        out.extend_from_slice(&window[from + RUN..to]);
    } else {
        out.truncate(end);
    }
}

/// A bit for each byte of the block that must be escaped.
fn escapes_of_block(window: &Window) -> u64 {
    let (words, _) = window[..BLOCK].as_chunks::<WORD>();
    words.iter().enumerate().fold(0, |found, (at, word)| found | gathered(escapes(*word)) << (WORD * at))
}

/// The high bit of each of eight bytes that must be escaped: is below 0x20, `"` or `\\`. A byte is never added to so much that
/// it carries into the next. Source: "Bit Twiddling Hacks" ("Determine if a word has a zero byte").
const fn escapes(bytes: [u8; WORD]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    let word = u64::from_le_bytes(bytes);
    let low = word & LOW;
    let no_control = low + ONES * 0x60;
    let no_quote = (low ^ (ONES * b'"' as u64)) + LOW;
    let no_backslash = (low ^ (ONES * b'\\' as u64)) + LOW;
    !((no_control & no_quote & no_backslash) | word) & !LOW
}

/// The high bits of eight bytes as the bits of one.
const fn gathered(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

const fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends a control character's escape. Rare beside quotes.
#[cold]
fn write_control(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}
