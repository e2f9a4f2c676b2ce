//! Answers to requests that arrived together, written together: a sender that does not wait for each answer would otherwise
//! cost a write to the socket for each. What is written while a connection is polled goes out when the poll is over.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes that are held back at most; what a peer does not read is then not produced either.
const HELD_BYTES: usize = 16 * 1024;

/// A connection's stream for the HTTP server, and a handle for who polls the server.
pub(crate) fn split(stream: TcpStream) -> (Coalescing<OwnedReadHalf, OwnedWriteHalf>, Answers<OwnedWriteHalf>) {
    let (reader, writer) = stream.into_split();
    let answers = Answers(Arc::new(Mutex::new(Held { writer, bytes: Vec::new() })));
    (Coalescing { reader, answers: answers.clone() }, answers)
}

/// A stream whose writes are held back until [`Answers::after_each_poll`] lets them go, or there are many.
#[derive(Debug)]
pub(crate) struct Coalescing<R, W> {
    reader: R,
    answers: Answers<W>,
}

/// What is held back of a connection.
#[derive(Debug)]
pub(crate) struct Answers<W>(Arc<Mutex<Held<W>>>);

#[derive(Debug)]
struct Held<W> {
    writer: W,
    bytes: Vec<u8>,
}

impl<W> Clone for Answers<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: AsyncWrite + Unpin> Answers<W> {
    /// Runs `connection`, which serves the stream, and writes what it held back whenever it waits, and at its end.
    pub(crate) async fn after_each_poll<T>(self, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        std::future::poll_fn(move |cx| {
            let output = connection.as_mut().poll(cx);
            // Not done is not lost: the writer then wakes this task. An error comes again with the next write. A connection that ends
            // with an error does not shut the stream down, and its last answer says what was wrong.
            let _ = self.held().send(cx);
            output
        })
        .await
    }

    /// Poisoned only by a panic of the same task, which ends it.
    fn held(&self) -> MutexGuard<'_, Held<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: AsyncWrite + Unpin> Held<W> {
    /// Writes everything that is held back.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let result = loop {
            let rest = self.bytes.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.writer).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => sent += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.bytes.drain(..sent);
        result
    }
}

impl<R: AsyncRead + Unpin, W: Unpin> AsyncRead for Coalescing<R, W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl<R: Unpin, W: AsyncWrite + Unpin> AsyncWrite for Coalescing<R, W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut held = self.answers.held();
        if held.bytes.len() + buf.len() > HELD_BYTES {
            ready!(held.send(cx))?;
            if buf.len() > HELD_BYTES {
                return Pin::new(&mut held.writer).poll_write(cx, buf);
            }
        }
        held.bytes.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is held goes out at the end of this poll, and a TCP stream itself holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.answers.held();
        ready!(held.send(cx))?;
        Pin::new(&mut held.writer).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tokio::io::{AsyncWrite, AsyncWriteExt as _};

    use super::{Answers, Coalescing, HELD_BYTES, Held};
    use crate::block_on::block_on;

    /// Remembers each write; takes at most `takes` bytes, and nothing while that is 0.
    #[derive(Debug, Default)]
    struct Socket {
        writes: Vec<usize>,
        takes: usize,
    }

    impl AsyncWrite for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
            let taken = buf.len().min(self.takes);
            if taken == 0 {
                return Poll::Pending;
            }
            self.writes.push(taken);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn pair(takes: usize) -> (Coalescing<(), Socket>, Answers<Socket>) {
        let held = Held { writer: Socket { writes: Vec::new(), takes }, bytes: Vec::new() };
        let answers = Answers(Arc::new(Mutex::new(held)));
        (Coalescing { reader: (), answers: answers.clone() }, answers)
    }

    #[test]
    fn answers_of_one_poll_are_one_write() {
        let (mut stream, answers) = pair(usize::MAX);
        let mut turns = 0;
        block_on(answers.clone().after_each_poll(async {
            for _ in 0..3 {
                stream.write_all(b"answer").await.unwrap();
                stream.flush().await.unwrap();
            }
            std::future::poll_fn(|cx| {
                turns += 1;
                cx.waker().wake_by_ref();
                if turns == 1 { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }));
        assert_eq!(answers.held().writer.writes, [18]);
    }

    #[test]
    fn a_connection_that_fails_at_once_has_its_answer_sent() {
        let (mut stream, answers) = pair(usize::MAX);
        block_on(answers.clone().after_each_poll(async { stream.write_all(b"answer").await.unwrap() }));
        assert_eq!(answers.held().writer.writes, [6]);
    }

    #[test]
    fn the_end_of_a_connection_sends_what_was_held() {
        let (mut stream, answers) = pair(4);
        block_on(async {
            stream.write_all(b"answer").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        assert_eq!(answers.held().writer.writes, [4, 2]);
    }

    #[test]
    fn a_peer_that_does_not_read_stops_the_writer() {
        let (mut stream, answers) = pair(0);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut taken = 0;
        for _ in 0..100 {
            if let Poll::Ready(count) = Pin::new(&mut stream).poll_write(&mut context, &[0; 1000]) {
                taken += count.unwrap();
            }
        }
        assert!(taken <= HELD_BYTES, "{taken} bytes were taken");
        assert!(Pin::new(&mut stream).poll_write(&mut context, &[0; 2 * HELD_BYTES]).is_pending());
        assert_eq!(answers.held().writer.writes, [0; 0]);
    }
}
