//! Copies of connector templates in Workers KV. The binding is optional: plain workerd has none.

use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{JSON, Promise, Reflect};
use worker::{
    Delay,
    wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen},
    wasm_bindgen_futures::JsFuture,
};

use super::ports::EdgePorts;
use crate::ports::{PortError, TemplateCopies};

/// The name of the binding.
const BINDING: &str = "TEMPLATES";

/// How long a read may be answered from the nearest cache, in seconds.
const READ_OPTIONS: &str = r#"{"cacheTtl":60}"#;

/// How long it may take: the object is asked instead.
const DEADLINE: Duration = Duration::from_secs(2);

/// When a copy goes by itself, in seconds: the shortest that KV has.
const WRITE_OPTIONS: &str = r#"{"expirationTtl":60}"#;

#[wasm_bindgen]
extern "C" {
    /// A KV namespace.
    type KvNamespace;

    /// Reads a text, or null.
    #[wasm_bindgen(method, catch)]
    fn get(this: &KvNamespace, key: &str, options: &JsValue) -> Result<Promise, JsValue>;

    /// Writes a text.
    #[wasm_bindgen(method, catch)]
    fn put(this: &KvNamespace, key: &str, value: &str, options: &JsValue) -> Result<Promise, JsValue>;

    /// Removes a text.
    #[wasm_bindgen(method, catch)]
    fn delete(this: &KvNamespace, key: &str) -> Result<Promise, JsValue>;
}

impl TemplateCopies for EdgePorts {
    async fn copy(&self, kind: &str) -> Result<Option<String>, PortError> {
        let copy = self.kv(|namespace| namespace.get(kind, &JSON::parse(READ_OPTIONS)?)).await?;
        Ok(copy.as_string())
    }

    async fn put_copy(&self, kind: &str, copy: &str) -> Result<(), PortError> {
        self.kv(|namespace| namespace.put(kind, copy, &JSON::parse(WRITE_OPTIONS)?)).await.map(drop)
    }

    async fn remove_copy(&self, kind: &str) -> Result<(), PortError> {
        self.kv(|namespace| namespace.delete(kind)).await.map(drop)
    }
}

impl EdgePorts {
    /// Does something with the namespace; undefined where there is none.
    async fn kv(&self, work: impl FnOnce(&KvNamespace) -> Result<Promise, JsValue>) -> Result<JsValue, PortError> {
        let broken = |error| PortError(format!("{BINDING}: {error:?}"));
        let namespace = Reflect::get(self.env(), &BINDING.into()).map_err(broken)?;
        if !namespace.is_object() {
            return Ok(JsValue::UNDEFINED);
        }
        let done = JsFuture::from(work(namespace.unchecked_ref()).map_err(broken)?);
        match select(done, Delay::from(DEADLINE)).await {
            Either::Left((result, _)) => result.map_err(broken),
            Either::Right(_) => Err(PortError(format!("{BINDING}: no answer in {} s", DEADLINE.as_secs()))),
        }
    }
}
