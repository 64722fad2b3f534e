//! A body that comes in pieces for as long as it takes. At most one piece waits for the reader: who reads slowly
//! holds up the one who writes it, and nobody else.

use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The reader's end.
#[derive(Debug)]
pub(super) struct Pieces(Receiver<Bytes>);

/// Both ends. The writer sees by [`Sender::closed`] that the reader has gone.
pub(super) fn pieces() -> (Sender<Bytes>, axum::body::Body) {
    let (sender, receiver) = channel(1);
    (sender, axum::body::Body::new(Pieces(receiver)))
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
