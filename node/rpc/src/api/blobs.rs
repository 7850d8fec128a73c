//! Blobs, up and down.

use crate::{args::Args, config::UPLOAD_BYTES_MAX, context::Context, error::Error, module::Module};
use ::blobs::{Cid, READ_BYTES_MAX};
use base64::{Engine, engine::general_purpose::STANDARD};
use runtime::view::{BlobPart, BlobView, Bytes};
use std::sync::Arc;

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["artel_uploadBlob"], upload);
    module.blocking(&["artel_uploadBlock"], upload_block);
    module.large(&["artel_blob"], blob);
}

fn upload(cx: &Context, mut args: Args) -> Result<BlobView, Error> {
    let bytes = base64(&mut args, "blob")?;
    let cid = cx.backend.blobs.put(&bytes[..])?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(BlobView { cid: cid.to_string(), bytes: Bytes(cid.to_bytes().to_vec()), size })
}

fn upload_block(cx: &Context, mut args: Args) -> Result<(), Error> {
    let cid = cid(&mut args)?;
    let block = base64(&mut args, "block")?;
    Ok(cx.backend.blobs.put_block(&cid, &block)?)
}

/// A part of a blob, which comes from other nodes if it is not here.
async fn blob(cx: Arc<Context>, mut args: Args) -> Result<Option<BlobPart>, Error> {
    let cid = cid(&mut args)?;
    let offset: u64 = args.optional("offset")?.unwrap_or_default();
    let length: usize = args.optional("length")?.unwrap_or(READ_BYTES_MAX);
    if length > READ_BYTES_MAX {
        let text = format!("parameter `length` is {length}: {READ_BYTES_MAX} is the most");
        return Err(Error::Params(text));
    }
    if !cx.backend.blobs.has(&cid) && !cx.backend.peers.fetch(cid).await {
        return Ok(None);
    }
    cx.blocking(move |cx| {
        let blobs = &cx.backend.blobs;
        let part = blobs.size(&cid).and_then(|size| Ok((size, blobs.read(&cid, offset, length)?)));
        match part {
            Ok((size, bytes)) => Ok(Some(BlobPart { size, offset, data: STANDARD.encode(bytes) })),
            Err(::blobs::Error::Absent(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// A blob's name as text, or as 0x-hex of the bytes that calls and storage have.
fn cid(args: &mut Args) -> Result<Cid, Error> {
    let text: String = args.next("cid")?;
    let bytes = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    if let Some(cid) = bytes.and_then(|bytes| Cid::from_bytes(&bytes).ok()) {
        return Ok(cid);
    }
    text.parse().map_err(|error: ::blobs::ParseCidError| Error::Params(error.to_string()))
}

fn base64(args: &mut Args, name: &str) -> Result<Vec<u8>, Error> {
    let text: String = args.next(name)?;
    let size = text.len() / 4 * 3;
    if size > UPLOAD_BYTES_MAX + 3 {
        let text = format!(
            "parameter `{name}` has about {size} bytes, {UPLOAD_BYTES_MAX} is the most: upload it block by block"
        );
        return Err(Error::Params(text));
    }
    STANDARD
        .decode(text)
        .map_err(|error| Error::Params(format!("parameter `{name}` is not base64: {error}")))
}
