//! The platform's own parser of `multipart/form-data`.

use js_sys::{Array, Uint8Array, futures::JsFuture, try_iter};
use wasm_bindgen::JsCast;

use worker::{Headers, Result};

use crate::protocol::form::PARAMETER_LIMIT;

/// The fields of a body, one more than anybody takes at most; a file is an empty one. Fails for what is no such form.
pub(super) async fn form_fields(content_type: &str, body: &[u8]) -> Result<Vec<(String, String)>> {
    let headers = Headers::new();
    headers.set("content-type", content_type)?;
    let init = web_sys::ResponseInit::new();
    init.set_headers(&headers.0);
    let body = Uint8Array::from(body);
    let response = web_sys::Response::new_with_opt_buffer_source_and_init(Some(&body), &init)?;
    let form = JsFuture::from(response.form_data()?).await?;
    let mut fields = Vec::new();
    for entry in try_iter(&form)?.into_iter().flatten().take(PARAMETER_LIMIT + 1) {
        let entry: Array = entry?.unchecked_into();
        let [name, value] = [0, 1].map(|index| entry.get(index).as_string().unwrap_or_default());
        fields.push((name, value));
    }
    Ok(fields)
}
