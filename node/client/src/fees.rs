//! What transactions cost, before and after.

use crate::{Client, Error, Receipt, SignedTx, TxOptions};
use codec::{DecodeAll, Encode};
use jsonrpsee::rpc_params;
use pallets::transaction_payment::Event;
use primitives::{Balance, Hash, crypto::pair::Pair};
use runtime::{RuntimeCall, RuntimeDispatchInfo, RuntimeEvent, view::Bytes};

/// What a transaction cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee {
    /// All that was taken, the tip included.
    pub paid: Balance,
    /// What of it was the tip.
    pub tip: Balance,
}

impl Client {
    /// What a transaction would cost in the block after `at`, by default the best one. The tip comes on top. It is what will be
    /// paid if the price stays and the call uses all that it declares, and else the most that will be.
    pub async fn fee_of(&self, tx: &SignedTx, at: Option<Hash>) -> Result<Balance, Error> {
        let bytes = tx.bytes.encode();
        let length = u32::try_from(bytes.len()).expect("transactions are short");
        let arguments = [bytes, length.encode()].concat();
        let info: RuntimeDispatchInfo =
            self.runtime_call("TransactionPaymentApi_query_info", &arguments, at).await?;
        Ok(info.partial_fee)
    }

    /// What a call would cost its signer now, without a tip.
    pub async fn fee_of_call(&self, signer: &Pair, call: &RuntimeCall) -> Result<Balance, Error> {
        let tx = self.sign(signer, call, TxOptions::default()).await?;
        self.fee_of(&tx, None).await
    }

    /// A call of the runtime: its name, its arguments in SCALE one after the other, over the state after block `at`, by
    /// default the best one. `state_call` in Substrate's words.
    ///
    /// # Errors
    /// If the runtime has no such call or takes other arguments, or the answer is no `T`.
    pub async fn runtime_call<T: DecodeAll>(
        &self,
        name: &str,
        arguments: &[u8],
        at: Option<Hash>,
    ) -> Result<T, Error> {
        let params = rpc_params![name, Bytes(arguments.to_vec()), at];
        let Bytes(answer) = self.rpc().request("state_call", params).await?;
        T::decode_all(&mut &answer[..])
            .map_err(|error| Error::Answer { method: name.to_owned(), reason: error.to_string() })
    }
}

impl Receipt {
    /// What the transaction cost; nothing if its call is free.
    pub fn fee(&self) -> Fee {
        let paid = self.events.iter().find_map(|event| match event {
            RuntimeEvent::TransactionPayment(Event::TransactionFeePaid {
                actual_fee, tip, ..
            }) => Some(Fee { paid: *actual_fee, tip: *tip }),
            _ => None,
        });
        paid.unwrap_or(Fee { paid: Balance::ZERO, tip: Balance::ZERO })
    }
}
