//! The content blocks of a result, as far as an error message needs them. Source: the MCP schema, `ContentBlock`.

use super::scanner::bounded_text;

/// Bytes of text kept of all blocks together: enough for an error message, little enough to copy on each answer.
const TEXT_LIMIT: usize = 8 * 1024;
/// Blocks kept; further ones are only counted.
const BLOCK_LIMIT: usize = 64;
/// Bytes kept of a block's type.
pub(super) const TYPE_LIMIT: usize = 64;

/// The content blocks of a result: their types, the texts of text blocks up to 8 KiB in all, and how many there are.
#[derive(Debug, Default)]
pub struct Content {
    count: Option<u64>,
    /// Types and texts of the blocks, one behind the other.
    text: String,
    blocks: Vec<Block>,
    /// Bytes of texts among `text`.
    text_bytes: usize,
    /// The block being read: its keys may come in any order and repeat.
    block_type: String,
    block_text: String,
    has_text: bool,
}

/// Where a block's type ends in the joined text, and its own text, if it has one.
#[derive(Clone, Copy, Debug)]
struct Block {
    type_end: usize,
    text_end: Option<usize>,
}

impl Content {
    /// How many blocks there are, kept or not; `None` without an array `result.content`.
    #[must_use]
    pub const fn count(&self) -> Option<u64> {
        self.count
    }

    /// The first 64 blocks: type, and text where it has one. The type of a block without one is empty.
    pub fn blocks(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let mut start = 0;
        self.blocks.iter().map(move |block| {
            let ty = &self.text[start..block.type_end];
            let text = block.text_end.map(|end| &self.text[block.type_end..end]);
            start = block.text_end.unwrap_or(block.type_end);
            (ty, text)
        })
    }

    /// The texts of the text blocks, joined by a space and trimmed.
    #[must_use]
    pub fn joined_text(&self) -> String {
        let texts: Vec<_> = self.blocks().filter(|(ty, _)| *ty == "text").filter_map(|(_, text)| text).collect();
        texts.join(" ").trim().to_owned()
    }

    pub(super) fn clear(&mut self) {
        self.count = None;
        self.text.clear();
        self.blocks.clear();
        self.text_bytes = 0;
        self.forget_block();
    }

    /// The array begins, in the place of any before.
    pub(super) fn begin(&mut self) {
        self.clear();
        self.count = Some(0);
    }

    /// An element begins.
    pub(super) fn begin_element(&mut self) {
        self.count = self.count.map(|count| count + 1);
        self.forget_block();
    }

    /// How many bytes of the block's text are worth reading.
    pub(super) const fn text_room(&self) -> usize {
        if self.blocks.len() < BLOCK_LIMIT { TEXT_LIMIT - self.text_bytes } else { 0 }
    }

    /// The block's `type`.
    pub(super) fn set_type(&mut self, text: &str) {
        self.block_type.clear();
        self.block_type.push_str(text);
    }

    /// The block's `text`.
    pub(super) fn set_text(&mut self, text: &str) {
        self.block_text.clear();
        self.block_text.push_str(text);
        self.has_text = true;
    }

    /// The block's `text` is being written anew, perhaps by something that is no text.
    pub(super) const fn forget_text(&mut self) {
        self.has_text = false;
    }

    fn forget_block(&mut self) {
        self.block_type.clear();
        self.has_text = false;
    }

    /// The block is complete.
    pub(super) fn end_block(&mut self) {
        if self.blocks.len() == BLOCK_LIMIT {
            return;
        }
        self.text.push_str(&self.block_type);
        let type_end = self.text.len();
        let text_end = self.has_text.then(|| {
            let kept = bounded_text(self.block_text.as_bytes(), TEXT_LIMIT - self.text_bytes);
            self.text_bytes = (self.text_bytes + kept.len()).min(TEXT_LIMIT);
            self.text.push_str(&kept);
            self.text.len()
        });
        self.blocks.push(Block { type_end, text_end });
    }

    /// Bytes its buffers hold.
    pub(super) const fn buffered_bytes(&self) -> usize {
        self.text.capacity()
            + self.blocks.capacity() * size_of::<Block>()
            + self.block_type.capacity()
            + self.block_text.capacity()
    }
}
