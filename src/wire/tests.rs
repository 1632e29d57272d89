//! Every message there and back. A variant without an example fails; so does a change of the form of an example.

mod connection;
mod directory;
mod registry;

use std::fmt::Debug;

use serde::de::{Deserializer, Visitor, value::Error};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::protocol::secret::hex;

/// A digest of all examples, and the version that they are of. Where only the digest changes because examples were
/// added, or JSON inside of them, enter the new one; where the form of a message does, [`VERSION`] grows too.
const PINNED: (u8, &str) = (2, "9c81cbeae42be0036aa5b32404c41ad6a1ae4f165b58fba5280e52ea4c118043");

/// Tells the names of the variants of an enum, for whom it is asked to read one.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = variants;
        Err(serde::de::Error::custom("names only"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Sends a message there and back; cut short, or with more at its end, it does not arrive. Gives its bytes.
fn sent<Message: Serialize + DeserializeOwned>(message: &Message) -> Vec<u8> {
    let bytes = write(message).unwrap();
    let shown = serde_json::to_value(message).unwrap();
    let back: Message = read(&bytes).unwrap_or_else(|_| panic!("unreadable: {shown}"));
    assert_eq!(serde_json::to_value(&back).unwrap(), shown);
    assert_eq!(write(&back).unwrap(), bytes, "{shown}");
    for end in 0..bytes.len() {
        assert!(read::<Message>(&bytes[..end]).is_err(), "{shown} cut at {end}");
    }
    assert!(read::<Message>(&[bytes.as_slice(), &[0]].concat()).is_err(), "{shown} and more");
    bytes
}

/// Sends examples of an enum that must have them all, in the order of its variants. Gives their bytes.
fn all_sent<Message: Serialize + DeserializeOwned>(examples: &[Message]) -> Vec<u8> {
    let mut names: &[&str] = &[];
    assert!(Message::deserialize(Names(&mut names)).is_err());
    let bytes: Vec<Vec<u8>> = examples.iter().map(sent).collect();
    let mut variants: Vec<usize> = bytes.iter().map(|bytes| usize::from(bytes[1])).collect();
    variants.dedup();
    let all: Vec<usize> = (0..names.len()).collect();
    assert_eq!(variants, all, "of {names:?}");
    bytes.concat()
}

/// A text.
fn text(text: &str) -> String {
    text.to_owned()
}

/// A JSON object.
fn members(document: Value) -> Map<String, Value> {
    serde_json::from_value(document).unwrap()
}

/// A document with all that JSON has.
fn document() -> Value {
    json!({ "a": [null, true, -1, 1.5, u64::MAX, "é\u{0}\"\\"], "": {}, "b": { "c": [] } })
}

#[test]
fn every_message_arrives_as_it_was_sent() {
    let bytes = [connection::commands(), connection::replies(), registry::all(), directory::all()].concat();
    assert_eq!((VERSION, &*hex(&Sha256::digest(bytes))), PINNED, "see PINNED");
}

/// A fault of an object, as the reply of each of them.
#[test]
fn a_fault_of_an_object_arrives() {
    type Replied = Result<crate::connection::command::Reply, PortError>;
    sent::<Replied>(&Err(PortError("part profile: é".to_owned())));
    sent::<Replied>(&Ok(crate::connection::command::Reply::Done));
}

/// A message of another version, or the JSON of before, is an error that tells nothing of it.
#[test]
fn what_is_no_message_of_this_version_is_refused() {
    fn refused<Message: DeserializeOwned + Debug>(bytes: &[u8]) {
        let error = read::<Message>(bytes).unwrap_err();
        assert_eq!(error.to_string(), "message: unreadable", "{bytes:?}");
    }
    let good = write(&"hunter2").unwrap();
    assert_eq!(read::<String>(&good).unwrap(), "hunter2");
    let other_version = [&[VERSION + 1], &good[1..]].concat();
    for bytes in
        [&b""[..], &[VERSION], &other_version, b"\"hunter2\"", b"{\"Ok\":\"hunter2\"}", &[VERSION, 2, 0xff, 0xfe]]
    {
        refused::<String>(bytes);
    }
    // A length that the message does not have costs no memory.
    refused::<Vec<String>>(&[VERSION, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    refused::<crate::connection::directory::DirectoryReply>(&[VERSION, 99]);
    // Text that should be JSON and is not.
    refused::<crate::protocol::page::Page>(&[VERSION, 2, b'[', b'x', 0]);
}
