//! Blobs over the node: split and named, verified and put together on this side.

use crate::{Client, Error};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use blobs::{BLOB_BYTES_MAX, CHUNK_BYTES, Cid, Splitter};
use jsonrpsee::rpc_params;
use runtime::view::BlobPart;

/// The name of a blob.
pub(crate) fn cid_of(bytes: &[u8]) -> Result<Cid, Error> {
    check_size(bytes)?;
    let mut splitter = Splitter::default();
    for chunk in bytes.chunks(CHUNK_BYTES) {
        splitter.push(chunk);
    }
    let (cid, _) = splitter.finish().expect("the size was checked");
    Ok(cid)
}

fn check_size(bytes: &[u8]) -> Result<(), Error> {
    let size = bytes.len() as u64;
    if size > BLOB_BYTES_MAX {
        return Err(Error::BlobTooLarge { size, max: BLOB_BYTES_MAX });
    }
    Ok(())
}

impl Client {
    /// Upload a blob block by block. The node keeps it for some hours, or as long as a task needs it.
    pub async fn upload(&self, bytes: &[u8]) -> Result<Cid, Error> {
        check_size(bytes)?;
        let mut splitter = Splitter::default();
        for chunk in bytes.chunks(CHUNK_BYTES) {
            let leaf = splitter.push(chunk);
            self.upload_block(&leaf, chunk).await?;
        }
        let (cid, root) = splitter.finish().expect("the size was checked");
        match root {
            Some(root) => self.upload_block(&cid, &root).await?,
            None if bytes.is_empty() => self.upload_block(&cid, &[]).await?,
            None => {}
        }
        Ok(cid)
    }

    /// Download a blob of at most `bytes_max` bytes. What comes is hashed: it is the blob or an error.
    pub async fn download(&self, cid: &Cid, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let bad = |reason: String| Error::BadBlob { cid: *cid, reason };
        let size_max = bytes_max.min(BLOB_BYTES_MAX);
        let mut bytes = Vec::new();
        let mut splitter = Splitter::default();
        let mut size = None;
        loop {
            let offset = bytes.len() as u64;
            let part: Option<BlobPart> =
                self.rpc().request("artel_blob", rpc_params![cid, offset, CHUNK_BYTES]).await?;
            let part = part.ok_or(Error::NoBlob(*cid))?;
            if part.size > size_max {
                let size = part.size;
                return Err(bad(format!("it has {size} bytes, at most {size_max} are wanted")));
            }
            let chunk =
                BASE64.decode(&part.data).map_err(|_| bad("the node sent no base64".into()))?;
            let wanted = part.size.saturating_sub(offset).min(CHUNK_BYTES as u64);
            let fits = part.offset == offset && chunk.len() as u64 == wanted;
            if !fits || *size.get_or_insert(part.size) != part.size {
                return Err(bad(format!("the node sent {} bytes at {}", chunk.len(), part.offset)));
            }
            splitter.push(&chunk);
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 == part.size {
                break;
            }
        }
        let (named, _) = splitter.finish().expect("the size was checked");
        if named == *cid { Ok(bytes) } else { Err(bad(format!("the node sent {named} instead"))) }
    }

    async fn upload_block(&self, cid: &Cid, block: &[u8]) -> Result<(), Error> {
        let data = BASE64.encode(block);
        self.rpc().request("artel_uploadBlock", rpc_params![cid, data]).await
    }
}
