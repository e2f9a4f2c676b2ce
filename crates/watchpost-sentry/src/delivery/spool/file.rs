//! Opening and reading in a folder where anything may lie: links, pipes, files of any size, folders of other users. What is not
//! a plain file of ours is refused, nothing is waited for, and no more is read than ours can be long.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _},
    path::Path,
};

/// Makes a folder for its owner alone.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for its owner alone, to append to.
pub(super) fn open(path: &Path, create: bool) -> io::Result<File> {
    open_plain(path, OpenOptions::new().append(true).read(true).create(create))
}

/// Opens a file to read.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    open_plain(path, OpenOptions::new().read(true))
}

/// Opens a plain file, through no link and without waiting for whoever has a pipe's other end.
pub(super) fn open_plain(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a plain file")) }
}

/// A file's content; an error if it has more than `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (mut content, file) = (Vec::new(), open_to_read(path)?);
    content.reserve_exact(usize::try_from(file.metadata()?.len().min(most)).unwrap_or(0));
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most { Err(io::Error::other("too large to be ours")) } else { Ok(content) }
}

/// An error if something is no folder of this user's: what somebody else made can be read and replaced by them.
pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("the spool's folder is none"));
    }
    if is_ours(&metadata) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the spool's folder belongs to another user"))
}

#[cfg(unix)]
fn is_ours(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(metadata) == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_ours(_: &Metadata) -> bool {
    true
}

/// Brings a folder's names to the disk, without which a new file's content can't be found after a loss of power.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    // What a relative path of one part is in has no name.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
