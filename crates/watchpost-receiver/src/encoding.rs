//! Undoes `Content-Encoding` as a stream: gzip, deflate (zlib and raw), br, zstd, stacked in any order, never more output
//! than allowed. Source: RFC 9110 §8.4, Sentry's compression page; a decompression bomb costs its limit in time, not memory.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// Encodings that may be stacked; more is no client's honest wish.
const MAX_LAYERS: usize = 4;

/// The largest zstd window, as a power of two: 8 MiB, what RFC 8878 asks every decoder to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Bytes buffered between decoding and parsing.
const BUFFER_BYTES: usize = 32 * 1024;

/// A body whose encodings are undone while it is read.
pub(crate) struct Decoded<'b> {
    reader: Box<dyn BufRead + 'b>,
    exceeded: Rc<Cell<bool>>,
}

/// A body that cannot be decoded at all.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodingError {
    #[error("unknown content encoding; gzip, deflate, br, zstd and identity are understood")]
    Unknown,
    #[error("more than {MAX_LAYERS} stacked content encodings")]
    TooManyLayers,
}

impl<'b> Decoded<'b> {
    /// Reads `body`, encoded as the `Content-Encoding` header's values say, giving at most `limit` bytes.
    pub(crate) fn new(body: &'b [u8], encodings: &str, limit: u64) -> Result<Self, EncodingError> {
        let exceeded = Rc::new(Cell::new(false));
        let mut reader: Box<dyn BufRead + 'b> = Box::new(body);
        let layers: Vec<&str> =
            encodings.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "identity").collect();
        if layers.len() > MAX_LAYERS {
            return Err(EncodingError::TooManyLayers);
        }
        // The header lists encodings in the order they were applied, so they are undone from the last.
        for name in layers.iter().rev() {
            let decoded = undo(name, reader)?;
            let limited = Limited { reader: decoded, left: limit, exceeded: Rc::clone(&exceeded) };
            reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, limited));
        }
        if layers.is_empty() && body.len() as u64 > limit {
            let limited = Limited { reader: Box::new(body), left: limit, exceeded: Rc::clone(&exceeded) };
            reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, limited));
        }
        Ok(Self { reader, exceeded })
    }

    /// The reader, and a flag that is set once the limit was passed.
    pub(crate) fn into_parts(self) -> (Box<dyn BufRead + 'b>, Rc<Cell<bool>>) {
        (self.reader, self.exceeded)
    }
}

fn undo<'b>(name: &str, mut encoded: Box<dyn BufRead + 'b>) -> Result<Box<dyn Read + 'b>, EncodingError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(encoded)),
        "deflate" => {
            if starts_zlib(&mut encoded) {
                Box::new(flate2::bufread::ZlibDecoder::new(encoded))
            } else {
                Box::new(flate2::bufread::DeflateDecoder::new(encoded))
            }
        }
        "br" => Box::new(brotli_decompressor::Decompressor::new(encoded, BUFFER_BYTES)),
        "zstd" => {
            // Creating a decoder fails only when memory does.
            let mut decoder = zstd::stream::read::Decoder::with_buffer(encoded).map_err(|_| EncodingError::Unknown)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|_| EncodingError::Unknown)?;
            Box::new(decoder)
        }
        _ => return Err(EncodingError::Unknown),
    })
}

/// Whether the next bytes are a zlib header (RFC 1950 §2.2); clients send raw deflate under the same name.
fn starts_zlib(encoded: &mut dyn BufRead) -> bool {
    match encoded.fill_buf() {
        Ok([method, flags, ..]) => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
}

/// Gives `left` bytes and then fails, setting `exceeded`.
struct Limited<'b> {
    reader: Box<dyn Read + 'b>,
    left: u64,
    exceeded: Rc<Cell<bool>>,
}

impl Read for Limited<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return match self.reader.read(&mut [0])? {
                0 => Ok(0),
                _ => {
                    self.exceeded.set(true);
                    Err(io::Error::other("the body is too large once decompressed"))
                }
            };
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.reader.read(out.get_mut(..most).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::{Decoded, EncodingError};

    const TEXT: &[u8] = b"{\"event_id\":\"9d4a6782d55b12b29d4a6782d55b12b2\"}\n";

    fn read(body: &[u8], encodings: &str, limit: u64) -> (Result<Vec<u8>, std::io::Error>, bool) {
        let (mut reader, exceeded) = Decoded::new(body, encodings, limit).unwrap().into_parts();
        let mut out = Vec::new();
        let result = reader.read_to_end(&mut out).map(|_| out);
        drop(reader);
        (result, exceeded.get())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_kinds_of_deflate_are_understood() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        assert_eq!(read(&zlib.finish().unwrap(), "deflate", 999).0.unwrap(), TEXT);
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(TEXT).unwrap();
        assert_eq!(read(&raw.finish().unwrap(), "deflate", 999).0.unwrap(), TEXT);
    }

    #[test]
    fn stacked_encodings_are_undone_from_the_last() {
        let body = zstd::encode_all(&gzip(TEXT)[..], 1).unwrap();
        assert_eq!(read(&body, "identity, GZIP , zstd", 999).0.unwrap(), TEXT);
    }

    #[test]
    fn a_body_at_the_limit_passes_and_one_beyond_it_does_not() {
        let body = gzip(TEXT);
        let length = TEXT.len() as u64;
        assert_eq!(read(&body, "gzip", length).0.unwrap(), TEXT);
        let (result, exceeded) = read(&body, "gzip", length - 1);
        assert!(result.is_err() && exceeded);
        let (result, exceeded) = read(TEXT, "", length - 1);
        assert!(result.is_err() && exceeded);
    }

    #[test]
    fn a_bomb_inside_a_bomb_stops_at_the_limit_of_the_inner_layer() {
        let body = gzip(&gzip(&vec![0; 4 << 20]));
        let (result, exceeded) = read(&body, "gzip, gzip", 1 << 10);
        assert!(result.is_err() && exceeded);
    }

    #[test]
    fn what_cannot_be_undone_is_an_error() {
        assert_eq!(Decoded::new(TEXT, "compress", 9).err(), Some(EncodingError::Unknown));
        assert_eq!(Decoded::new(TEXT, "gzip,gzip,gzip,gzip,gzip", 9).err(), Some(EncodingError::TooManyLayers));
        let body = gzip(TEXT);
        let (result, exceeded) = read(&body[..body.len() - 12], "gzip", 999);
        assert!(result.is_err() && !exceeded);
    }
}
