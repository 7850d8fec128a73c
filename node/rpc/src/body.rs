//! Bodies of HTTP requests, whose bytes are held as they come in.

use crate::flow::{Flow, Held};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A body that fails when its connection may hold no more.
#[derive(Debug)]
pub(crate) struct Counted<B> {
    inner: B,
    flow: Flow,
    held: Vec<Held>,
}

impl<B> Counted<B> {
    pub fn new(inner: B, flow: Flow) -> Self {
        Self { inner, flow, held: Vec::new() }
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        let Some(held) = this.flow.hold(frame.data_ref().map_or(0, Bytes::len)) else {
            return Poll::Ready(Some(Err("there is no room for so large a request".into())));
        };
        this.held.push(held);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
