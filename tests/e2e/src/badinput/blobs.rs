//! Blobs and blocks, their names, and ranges of them.

use super::{
    Door, Outcome, check_text,
    mutate::{Source, bytes, mutate, mutate_json, odd_value, pick},
    served::Served,
};
use ::blobs::{CHUNK_BYTES, Cid, READ_BYTES_MAX, Root, Splitter};
use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rand::RngExt;
use serde_json::{Value, json};

const UPLOAD: &str = "artel_uploadBlob";
const UPLOAD_BLOCK: &str = "artel_uploadBlock";
const READ: &str = "artel_blob";

/// Most bytes of a common blob.
const BLOB_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a rare one: more than one request may bring.
const LARGE_BYTES_MAX: usize = 10 << 20;

pub struct Blobs {
    served: Served,
    /// A blob of two chunks, which the node has.
    large: Vec<u8>,
    /// Its name and its root block.
    name: Cid,
    root: Vec<u8>,
}

#[derive(Debug)]
pub struct Input {
    method: &'static str,
    params: Value,
    /// For the decoders on this side.
    block: Vec<u8>,
}

impl Blobs {
    pub async fn open() -> Result<Self> {
        let served = Served::start().await?;
        let large: Vec<u8> = (0..CHUNK_BYTES + 1_000).map(|at| (at % 251) as u8).collect();
        let name = served.client().upload(&large).await?;
        let mut splitter = Splitter::default();
        for chunk in large.chunks(CHUNK_BYTES) {
            splitter.push(chunk);
        }
        let root =
            splitter.finish().and_then(|(_, root)| root).context("two chunks have a root")?;
        Ok(Self { served, large, name, root })
    }

    /// A block with a name that is right, another's, or damaged.
    fn block(&self, source: &mut Source) -> Input {
        let mut block = match source.random_range(0..3) {
            0 => bytes(source, BLOB_BYTES_MAX),
            _ => self.root.clone(),
        };
        let before = block.clone();
        if source.random_range(0..8) > 0 {
            mutate(source, &mut block, std::slice::from_ref(&self.root));
        }
        let cid = match source.random_range(0..6) {
            0 => Cid::of_root(&before),
            1 => Cid::of_raw(&block),
            2 => self.name,
            _ => Cid::of_root(&block),
        };
        let params = json!([cid, BASE64.encode(&block)]);
        Input { method: UPLOAD_BLOCK, params, block }
    }

    fn range(&self, source: &mut Source) -> Input {
        let cid = if source.random() { self.name } else { Cid::of_raw(&bytes(source, 16)) };
        let number = |source: &mut Source| match source.random_range(0..4) {
            0 => odd_value(source),
            1 => json!(source.random::<u64>()),
            _ => json!(source.random_range(0..self.large.len() + 10)),
        };
        let params = json!([cid, number(source), number(source)]);
        Input { method: READ, params, block: cid.to_bytes().to_vec() }
    }

    /// What the node took, this side must find right too.
    async fn check_accepted(&self, input: &Input, result: &Value) -> Result<()> {
        let Input { method, params, .. } = input;
        match *method {
            UPLOAD => {
                let blob = BASE64.decode(text(&params[0])?).context("it is no base64")?;
                let length = blob.len().min(READ_BYTES_MAX);
                let part = self.served.ask(READ, json!([result["cid"], 0, length])).await?;
                let part = part.ok().context("the blob is not there")?;
                let found = BASE64.decode(text(&part["data"])?)?;
                ensure!(part["size"] == json!(blob.len()), "its size is {}", part["size"]);
                ensure!(found == blob[..length], "other bytes come back");
            }
            UPLOAD_BLOCK => {
                let cid: Cid = text(&params[0])?.parse()?;
                let block = BASE64.decode(text(&params[1])?).context("it is no base64")?;
                ensure!(cid.names(&block), "{cid} is not its name");
                if let Cid::Root(_) = cid {
                    ensure!(Root::decode(&block)?.encode() == block, "the root is no root");
                }
            }
            _ if result.is_null() => {}
            _ => {
                let cid: Cid = text(&params[0])?.parse()?;
                let found = BASE64.decode(text(&result["data"])?)?;
                let offset = usize::try_from(params[1].as_u64().unwrap_or_default())?;
                let whole = self.large.get(offset..).unwrap_or_default();
                ensure!(cid != self.name || whole.starts_with(&found), "other bytes come back");
            }
        }
        Ok(())
    }
}

impl Door for Blobs {
    type Input = Input;

    fn input(&mut self, source: &mut Source) -> Input {
        let mut input = match source.random_range(0..10) {
            0..2 => {
                let rare = source.random_range(0..20) == 0;
                let blob = bytes(source, if rare { LARGE_BYTES_MAX } else { BLOB_BYTES_MAX });
                let mut text = BASE64.encode(&blob).into_bytes();
                if source.random() {
                    mutate(source, &mut text, &[]);
                }
                let params = json!([String::from_utf8_lossy(&text)]);
                Input { method: UPLOAD, params, block: blob }
            }
            2..7 => self.block(source),
            _ => self.range(source),
        };
        if source.random_range(0..4) == 0 {
            mutate_json(source, &mut input.params);
        }
        if source.random_range(0..10) == 0 {
            input.method = *pick(source, &[UPLOAD, UPLOAD_BLOCK, READ]);
        }
        if source.random_range(0..4) == 0 {
            mutate(source, &mut input.block, std::slice::from_ref(&self.root));
        }
        input
    }

    async fn offer(&mut self, input: &Input) -> Result<Outcome> {
        decode(input)?;
        let answer = self.served.ask(input.method, input.params.clone()).await?;
        self.served.check()?;
        match answer {
            Ok(result) => self.check_accepted(input, &result).await.map(|()| Outcome::Accepted),
            Err(refused) => Ok(refused),
        }
    }

    fn process(&self) -> u32 {
        self.served.process()
    }

    async fn finish(self) -> Result<()> {
        let found = self.served.client().download(&self.name, self.large.len() as u64).await?;
        ensure!(found == self.large, "the blob is another one now");
        self.served.finish().await
    }
}

/// The decoders take what has one spelling, and say of the rest what is wrong.
fn decode(input: &Input) -> Result<()> {
    let Input { block, params, .. } = input;
    match Root::decode(block) {
        Ok(root) => ensure!(root.encode() == *block, "the root has another spelling"),
        Err(error) => check_text(&error.to_string())?,
    }
    match Cid::from_bytes(block) {
        Ok(cid) => ensure!(cid.to_bytes() == block[..], "the name has another spelling"),
        Err(error) => check_text(&error.to_string())?,
    }
    match params[0].as_str().unwrap_or_default().parse::<Cid>() {
        Ok(cid) => ensure!(cid.to_string().parse::<Cid>() == Ok(cid), "the name is another"),
        Err(error) => check_text(&error.to_string())?,
    }
    Ok(())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value:.100} is no text"))
}
