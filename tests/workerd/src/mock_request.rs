//! The requests that a mock receives: read from the wire, and looked into by tests.

use std::io::{self, Read};
use std::net::TcpStream;

use url::form_urlencoded;

/// A request that a [`Mock`](crate::Mock) received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockRequest {
    /// Method, as sent.
    pub method: String,
    /// Path with query, as sent.
    pub target: String,
    /// The `Host` header: with `Setup::outbound`, whom the Worker meant.
    pub host: String,
    /// Headers in the order they came, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl MockRequest {
    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut same = self.headers.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name));
        same.next().map(|(_, value)| value.as_str())
    }

    /// The path without query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query's pairs, decoded.
    #[must_use]
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The form body's pairs, decoded.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The first form field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.form().into_iter().find_map(|(each, value)| (each == name).then_some(value))
    }

    /// Reads one request; `None` if the other side closed before its head was whole.
    pub(crate) fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        while read_more(stream, &mut bytes)? {
            if let Some((mut request, length)) = Self::parse(&bytes)? {
                request.finish(stream, bytes.split_off(length))?;
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// The request without its body, and the length of its head; `None` while the head is not whole.
    fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut request = Self {
            method: head.method.unwrap_or_default().to_owned(),
            target: head.path.unwrap_or_default().to_owned(),
            host: String::new(),
            headers: head.headers.iter().map(|each| (each.name.to_owned(), text(each.value))).collect(),
            body: Vec::new(),
        };
        request.host = request.header("Host").unwrap_or_default().to_owned();
        Ok(Some((request, length)))
    }

    /// Reads the rest of the body, of which some came with the head.
    fn finish(&mut self, stream: &mut TcpStream, mut body: Vec<u8>) -> io::Result<()> {
        assert!(self.header("Transfer-Encoding").is_none(), "the mock reads no chunked body: {self:?}");
        let length = self.header("Content-Length").map_or(0, |value| value.parse().expect("Content-Length"));
        while body.len() < length && read_more(stream, &mut body)? {}
        self.body = body;
        Ok(())
    }
}

/// Appends what the stream has to offer; `false` at its end.
fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    let length = stream.read(&mut chunk)?;
    bytes.extend(chunk.iter().take(length));
    Ok(length > 0)
}
