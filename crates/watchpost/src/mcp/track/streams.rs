//! A pair of byte streams whose bytes are looked at as they pass. They change none, and wait for nothing of their own.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Connection;

/// What the client sends.
#[derive(Debug)]
pub(super) struct TapRead<R> {
    stream: R,
    connection: Option<Arc<Connection>>,
}

/// What the server sends.
#[derive(Debug)]
pub(super) struct TapWrite<W> {
    stream: W,
    connection: Option<Arc<Connection>>,
}

impl<R> TapRead<R> {
    pub(super) const fn new(stream: R, connection: Option<Arc<Connection>>) -> Self {
        Self { stream, connection }
    }
}

impl<W> TapWrite<W> {
    pub(super) const fn new(stream: W, connection: Option<Arc<Connection>>) -> Self {
        Self { stream, connection }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for TapRead<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, connection } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        if let Some(connection) = connection {
            connection.read(buffer.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for TapWrite<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, connection } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write(context, bytes))?;
        if let Some(connection) = connection {
            connection.written(bytes.get(..written).unwrap_or_default());
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
