//! The `artel_*` methods as an OpenRPC document: names, parameters and answers with their schemas.

use super::{artel::PayoutsOf, explain::BlockName};
use crate::module::Module;
use primitives::{AccountId, Hash};
use runtime::view::{
    AgentView, BlobPart, BlobView, Bytes, EstimateRequest, EstimateView, ExplainRequest,
    ExplanationView, MarketView, PayoutView, PeerView, TaskEventView, TaskFilter, TaskPage,
    TaskView, TraceView, ValidatorsView,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Version of the document's form.
const OPENRPC: &str = "1.3.2";
/// What `at` means wherever it stands.
const AT: &str = "Hash of the block after which the state is meant; the best block without it.";

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub(crate) fn register(module: &mut Module) {
    module.asynchronous(&["rpc.discover"], |cx, _| {
        let mut document = DOCUMENT.clone();
        if let Some(methods) = document["methods"].as_array_mut() {
            methods.retain(|method| {
                method["name"].as_str().is_some_and(|name| cx.access.serves(name))
            });
        }
        async move { Ok(document) }
    });
}

fn document() -> Value {
    let settings = SchemaSettings::draft07();
    let settings =
        settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut describe = Describe(settings.into_generator());
    let mut methods = market(&mut describe);
    methods.extend(light(&mut describe));
    methods.extend(blobs(&mut describe));
    methods.extend(explanations(&mut describe));
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "Artel",
            "description": "What an Artel node answers beside Substrate's methods. Amounts are decimal strings in the \
                smallest unit, bytes are hex, moments are milliseconds; market time stands still while the chain does.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "methods": methods,
        "components": { "schemas": describe.0.take_definitions(true) },
    })
}

fn market(describe: &mut Describe) -> Vec<Value> {
    let task = describe.required::<Hash>("id", "The task.");
    let account = describe.required::<AccountId>("account", "The agent.");
    let at = describe.optional::<Hash>("at", AT);
    let filter = describe.optional::<TaskFilter>("filter", "Which tasks; all without it.");
    let start = describe.optional::<Hash>("startAfter", "The id after which the page starts.");
    let count = describe.optional::<u32>("count", "Most tasks of the page, from 1 to 100.");
    let of = describe.required::<PayoutsOf>("of", "Whose payouts.");
    let watched = describe.optional::<Hash>("id", "The task; all tasks without it.");
    let subscription =
        describe.required::<String>("subscription", "What artel_taskEvents answered.");
    let mut events = describe.method::<String>(
        "artel_taskEvents",
        "Follows tasks from the next block on; over WebSocket. The answer names the subscription.",
        vec![watched],
    );
    events["x-subscription"] = json!({
        "notification": "artel_taskEvent",
        "unsubscribe": "artel_unwatchTaskEvents",
        "schema": describe.0.subschema_for::<TaskEventView>(),
    });
    vec![
        describe.method::<Option<TaskView>>(
            "artel_task",
            "A task; null if the chain does not know it.",
            vec![task, at.clone()],
        ),
        describe.method::<TaskPage>(
            "artel_tasks",
            "Tasks in the order of their ids, page by page.",
            vec![filter, start, count],
        ),
        events,
        describe.method::<bool>(
            "artel_unwatchTaskEvents",
            "Ends what artel_taskEvents began; whether there was something to end.",
            vec![subscription],
        ),
        describe.method::<Option<AgentView>>(
            "artel_agent",
            "An agent; null if the account is none.",
            vec![account, at.clone()],
        ),
        describe.method::<Vec<PayoutView>>(
            "artel_payouts",
            "The payouts of a task, or what an account is still owed.",
            vec![of],
        ),
        describe.method::<MarketView>("artel_market", "The market's clock and seed.", vec![at]),
    ]
}

fn light(describe: &mut Describe) -> Vec<Value> {
    let block = describe.required::<Hash>("block", "The block that is trusted.");
    let from = describe.required::<u32>("from", "Number of the block that is known.");
    let to =
        describe.optional::<u32>("to", "Number of the block to be known; the head without it.");
    let at = describe.optional::<Hash>("at", "The block; the best one without it.");
    vec![
        describe.method::<Option<Bytes>>(
            "artel_lightStart",
            "What the hash of a block proves: its header, its time and who decides the next block, in SCALE; null if the \
             node does not have the block.",
            vec![block],
        ),
        describe.method::<Vec<Bytes>>(
            "artel_lightBlocks",
            "The blocks that prove a later one to who knows an earlier one, each in SCALE; ask on from the last of them \
             until it is the one that is wanted.",
            vec![from, to],
        ),
        describe.method::<Option<ValidatorsView>>(
            "artel_validators",
            "Who decides the block after a block; null if it is from before the node's chain begins.",
            vec![at],
        ),
    ]
}

fn blobs(describe: &mut Describe) -> Vec<Value> {
    let whole = describe.required::<String>("blob", "Its bytes in base64, at most 8 MiB.");
    let cid = describe.required::<String>("cid", "The blob's CID.");
    let name = describe.required::<String>("cid", "The block's CID.");
    let block = describe.required::<String>("block", "Its bytes in base64.");
    let offset = describe.optional::<u64>("offset", "Where the part begins; 0 without it.");
    let length = describe.optional::<u32>("length", "Most bytes of the part, at most 4 MiB.");
    vec![
        describe.method::<BlobView>(
            "artel_uploadBlob",
            "Stores a whole blob, which the node splits and names.",
            vec![whole],
        ),
        describe.method::<()>(
            "artel_uploadBlock",
            "Stores one block of a blob: a chunk, or the root after its chunks.",
            vec![name, block],
        ),
        describe.method::<Option<BlobPart>>(
            "artel_blob",
            "A part of a blob, which comes from other nodes if it is not here; null if nobody has it.",
            vec![cid, offset, length],
        ),
        describe.method::<Vec<PeerView>>(
            "artel_peers",
            "The nodes that this one is connected to.",
            Vec::new(),
        ),
    ]
}

fn explanations(describe: &mut Describe) -> Vec<Value> {
    let what = describe.required::<ExplainRequest>("what", "What is to be explained.");
    let estimated = describe.required::<EstimateRequest>("what", "What is to be estimated.");
    let at = describe.optional::<Hash>("at", AT);
    let block = describe.required::<BlockName>("block", "The block, by hash or by number.");
    let index =
        describe.optional::<u32>("index", "The transaction; the first 64 of the block without it.");
    vec![
        describe.method::<Option<ExplanationView>>(
            "artel_explain",
            "Errors, events and transactions in words; null if no block has the transaction.",
            vec![what],
        ),
        describe.method::<EstimateView>(
            "artel_estimate",
            "What a transaction, a call or a task would cost, hold and do.",
            vec![estimated, at],
        ),
        describe.method::<TraceView>(
            "artel_trace",
            "Runs a block again on the state before it, and tells what its transactions did and touched. \
             Served on loopback, or with --rpc-methods unsafe.",
            vec![block, index],
        ),
    ]
}

/// Makes descriptions, and gathers the schemas that they refer to.
struct Describe(SchemaGenerator);

impl Describe {
    fn method<R: JsonSchema>(&mut self, name: &str, summary: &str, params: Vec<Value>) -> Value {
        json!({
            "name": name,
            "summary": summary,
            "paramStructure": "by-position",
            "params": params,
            "result": { "name": "answer", "schema": self.0.subschema_for::<R>() },
        })
    }

    fn required<P: JsonSchema>(&mut self, name: &str, summary: &str) -> Value {
        self.param::<P>(name, summary, true)
    }

    /// It may be null, too.
    fn optional<P: JsonSchema>(&mut self, name: &str, summary: &str) -> Value {
        self.param::<Option<P>>(name, summary, false)
    }

    fn param<P: JsonSchema>(&mut self, name: &str, summary: &str, required: bool) -> Value {
        let schema = self.0.subschema_for::<P>();
        json!({ "name": name, "summary": summary, "required": required, "schema": schema })
    }
}
