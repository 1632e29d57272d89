//! An HTTP server that answers what the test says and remembers what it was asked.
//!
//! It speaks as much HTTP/1.1 as Workers use to call a provider, one request per connection, and it can misbehave as
//! providers do: be slow, drip, fall silent, hang up, stop in the middle, say what is not HTTP. An ordinary server
//! library will not do most of that.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::http::DEADLINE;
use crate::mock_request::MockRequest;
use crate::tools;

/// What a [`Mock`] answers.
#[derive(Debug, Clone)]
pub struct MockAnswer {
    /// Status code; `None` for a body that is all there is, if anything.
    status: Option<u16>,
    /// Headers besides those that follow from the body.
    headers: Vec<(String, String)>,
    /// Body.
    body: Vec<u8>,
    /// How long the answer waits.
    delay: Duration,
    /// How long it waits after each byte.
    pause: Duration,
    /// Whether `Content-Length` is told.
    length_told: bool,
    /// Bytes that are promised and never sent.
    missing: usize,
    /// Whether the connection stays open, silent, until the mock is dropped.
    hangs: bool,
    /// Who is told when it is sent.
    told: Option<Told>,
}

/// Hears whether an answer was handed to the network as a whole.
#[derive(Clone)]
struct Told(Arc<dyn Fn(bool) + Send + Sync>);

impl fmt::Debug for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Told")
    }
}

impl MockAnswer {
    /// An answer with any body.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: Some(status),
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            length_told: true,
            missing: 0,
            hangs: false,
            told: None,
        }
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A plain text answer.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::new(status, "text/plain", body)
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::text(status, "").header("Location", location)
    }

    /// No answer, ever: the connection stays open until the mock is dropped.
    #[must_use]
    pub fn never() -> Self {
        Self { status: None, hangs: true, ..Self::text(200, "") }
    }

    /// No answer: the connection is closed.
    #[must_use]
    pub fn close() -> Self {
        Self { status: None, ..Self::text(200, "") }
    }

    /// These bytes and nothing else: what is not HTTP, or no library would write.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { status: None, ..Self::new(200, "", bytes) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits before the answer (or before hanging up).
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Sends byte after byte, with a pause after each.
    #[must_use]
    pub fn dripping(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Compresses the body.
    #[must_use]
    pub fn gzip(self) -> Self {
        let body = tools::gzip(&self.body);
        Self { body, ..self }.header("Content-Encoding", "gzip")
    }

    /// Sends headers and body, promises one byte more and falls silent.
    #[must_use]
    pub fn stalled(self) -> Self {
        Self { missing: 1, hangs: true, ..self }
    }

    /// Sends headers and body, promises one byte more and hangs up.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { missing: 1, ..self }
    }

    /// Does not tell the body's length; the end of the connection is its end.
    #[must_use]
    pub fn without_length(self) -> Self {
        Self { length_told: false, ..self }
    }

    /// Calls `told` once its last byte is handed to the network, with `true`, or when that failed, with `false`.
    #[must_use]
    pub fn tell(self, told: impl Fn(bool) + Send + Sync + 'static) -> Self {
        Self { told: Some(Told(Arc::new(told))), ..self }
    }

    /// The bytes on the wire.
    fn wire(&self) -> Vec<u8> {
        use fmt::Write;
        let Some(status) = self.status else { return self.body.clone() };
        let mut head = format!("HTTP/1.1 {status} Mock\r\nConnection: close\r\n");
        if self.length_told {
            write!(head, "Content-Length: {}\r\n", self.body.len() + self.missing).unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// The server. It ends when dropped.
pub struct Mock {
    /// Where it listens.
    address: SocketAddr,
    /// What it shares with its threads.
    shared: Arc<Shared>,
}

/// What the threads of a mock share.
struct Shared {
    /// The test's own decision.
    handler: Box<dyn Fn(&MockRequest) -> MockAnswer + Send + Sync>,
    /// All requests so far.
    seen: Mutex<Vec<MockRequest>>,
    /// Connections that are kept open in silence.
    silent: Mutex<Vec<TcpStream>>,
    /// How many connections are being served.
    serving: Mutex<usize>,
    /// Hears when that number falls.
    served: Condvar,
    /// Whether the mock was dropped.
    ended: AtomicBool,
}

impl Mock {
    /// Starts a server on a free loopback port. Each request is answered by `handler`, many at once if need be; it may
    /// block, to hold an answer back until the test says so.
    pub fn start(handler: impl Fn(&MockRequest) -> MockAnswer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            seen: Mutex::default(),
            silent: Mutex::default(),
            serving: Mutex::default(),
            served: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let mock = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::Relaxed) {
                    break;
                }
                let serving = Serving::new(&shared);
                // A caller that hangs up early is no concern of the mock's.
                thread::spawn(move || _ = serving.0.serve(stream));
            }
        });
        mock
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its own address as `http://127.0.0.1:…`, without slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order they came, those without an answer included.
    #[must_use]
    pub fn requests(&self) -> Vec<MockRequest> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until each connection that was opened before this call is served, also where nobody waits for the answer
    /// any more.
    #[track_caller]
    pub fn settle(&self) {
        // Connections are accepted one after the other: at the end of this one the earlier ones are.
        let mut last = TcpStream::connect(self.address).expect("the mock listens");
        last.shutdown(Shutdown::Write).expect("shut down");
        let _ = last.read(&mut [0]);
        let serving = self.shared.serving.lock().unwrap();
        let waited = self.shared.served.wait_timeout_while(serving, DEADLINE, |serving| *serving > 0).unwrap();
        assert!(!waited.1.timed_out(), "still serving: {:?}", self.requests().last());
    }

    /// How many requests went to this path, query left aside.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path() == path).count()
    }
}

/// A connection that is being served, until dropped.
struct Serving(Arc<Shared>);

impl Serving {
    /// One more.
    fn new(shared: &Arc<Shared>) -> Self {
        *shared.serving.lock().unwrap() += 1;
        Self(Arc::clone(shared))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        *self.0.serving.lock().unwrap() -= 1;
        self.0.served.notify_all();
    }
}

impl Shared {
    /// One connection, one request.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(DEADLINE))?;
        let Some(request) = MockRequest::read(&mut stream)? else { return Ok(()) };
        self.seen.lock().unwrap().push(request.clone());
        let answer = (self.handler)(&request);
        thread::sleep(answer.delay);
        let sent = send(&mut stream, &answer);
        if let Some(Told(told)) = &answer.told {
            told(sent.is_ok());
        }
        if answer.hangs {
            self.silent.lock().unwrap().push(stream);
        }
        sent
    }
}

/// Sends an answer, at its pace.
fn send(stream: &mut TcpStream, answer: &MockAnswer) -> io::Result<()> {
    let wire = answer.wire();
    if answer.pause.is_zero() {
        return stream.write_all(&wire);
    }
    for byte in wire.chunks(1) {
        stream.write_all(byte)?;
        thread::sleep(answer.pause);
    }
    Ok(())
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.silent.lock().unwrap().clear();
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Mock({})", self.address)
    }
}
