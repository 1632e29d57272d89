//! Many at once: readers, ticks, connections of one provider and of one client, a deletion while a renewal runs.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use workerd_tests::{Clock, MockAnswer, Postern, Setup};

use crate::common::{
    self, CLIENT_CREDENTIALS, at, authorized, connect, live, provider, provider_that_waits, raw_answer, read, root,
    secrets,
};
use crate::refusal;
use crate::scene::{DUE, LIFE, Scene, access, refresh};

/// Readers of one expired token.
const READERS: usize = 1_000;

/// R2, K17: a thousand readers wait for one call of the provider, which answers when all have asked; all are answered.
#[test]
fn a_thousand_parallel_reads_of_an_expired_token_make_one_provider_call() {
    let clock = Clock::new();
    let (release, mock) = provider_that_waits();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(LIFE);
    let address = postern.url();
    let address = address.trim_start_matches("http://");
    let fields = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {root}");
    let request = format!("GET {} HTTP/1.1\r\n{fields}\r\n\r\n", at("shop", "/access_token"));
    let mut readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut reader = TcpStream::connect(address).unwrap();
            reader.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            reader.write_all(request.as_bytes()).unwrap();
            reader
        })
        .collect();
    // The object answers in the order it is asked, but for who waits.
    drop(postern.get(&at("shop", "")).bearer(&root).send().expect_status(200));
    release.send(()).unwrap();
    for (number, reader) in readers.iter_mut().enumerate() {
        let answer = raw_answer(reader);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&access(2)), "{number}: {answer}");
    }
    assert_eq!(mock.count("/token"), 2);
}

/// R2: what a provider's API refuses is renewed once per token, however many say so, and however often.
#[test]
fn a_token_that_many_report_as_refused_is_renewed_once() {
    /// Of [`access`]`(1)`.
    const FIRST: &str = "976ea324c7bdb42650952dce346ddf4fda79aa10e7d7d34f00604d48059b39b3";
    let scene = Scene::new(&["shop"]);
    let report = || {
        let report = scene.postern.post(&at("shop", "/access_token/refused")).bearer(&scene.root);
        let answer = report.json(&json!({ "access_token_sha256": FIRST })).send().expect_status(200).json();
        assert_eq!(answer["access_token"], access(2), "{answer}");
    };
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(report);
        }
    });
    report();
    assert_eq!((scene.calls(), scene.last_sent(), scene.live("shop").0), (2, Some(refresh(1)), access(2)));
}

/// Rows written are what this platform costs: of a renewal three in the connection's object (the intent, the grant, the
/// alarm) and two in the directory's, at most.
#[test]
fn a_renewal_writes_at_most_three_rows_and_two() {
    let mut scene = Scene::of(Setup::new(), &["shop"]);
    for round in 2..5 {
        scene.clock.advance(DUE);
        if round == 3 {
            assert_eq!(scene.sweep()["renewed"], 1);
        } else {
            scene.clock.advance(LIFE - DUE);
            assert_eq!(scene.live("shop").0, access(round));
        }
    }
    scene.postern.kill();
    let log = scene.postern.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let renewals: Vec<_> = lines.filter(|line| line["event"] == "refresh").collect();
    assert_eq!(renewals.len(), 3, "{log}");
    for renewal in renewals {
        let [own, listed] = ["connection_rows", "directory_rows"].map(|name| renewal[name].as_u64().unwrap());
        assert!((2..=3).contains(&own) && (1..=2).contains(&listed), "{renewal}");
    }
}

/// R7: two cron ticks at the same moment, and a sweep from outside: each connection is renewed once.
#[test]
fn ticks_at_the_same_moment_renew_each_connection_once() {
    let clock = Clock::new();
    let slow = |number| MockAnswer::json(200, &common::tokens(number)).after(Duration::from_millis(50));
    let mock = provider(move |_, number| (number > 12).then(|| slow(number)));
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    let keys: Vec<_> = (0..12).map(|number| format!("shop-{number}")).collect();
    for key in &keys {
        authorized(&postern, &root, key, &mock);
    }
    clock.advance(DUE);
    thread::scope(|scope| {
        let ticks = [(); 2].map(|()| scope.spawn(|| postern.fire_cron().status));
        drop(postern.post("/api/v1/sweep").bearer(&root).send().expect_status(200));
        assert_eq!(ticks.map(|tick| tick.join().unwrap()), [200; 2]);
    });
    assert_eq!(mock.count("/token"), 24);
    for key in &keys {
        drop(live(&postern, &root, key));
    }
    drop(postern.fire_cron());
    assert_eq!(mock.count("/token"), 24);
}

/// R6, E8: a connection is deleted while its renewal waits for the provider. What then comes is given back to the
/// provider, and nothing is left: no connection, no row, no look of the sweep.
#[test]
fn a_renewal_that_outlives_its_connection_leaves_nothing_behind() {
    let clock = Clock::new();
    let ((asked, reached), (release, held)) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    let both = Mutex::new((asked, held));
    let mock = provider(move |request, number| {
        if number == 2 && request.path() == "/token" {
            let (asked, held) = &*both.lock().unwrap();
            asked.send(()).unwrap();
            let _ = held.recv();
        }
        None
    });
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(DUE);
    thread::scope(|scope| {
        let sweeping = scope.spawn(|| postern.post("/api/v1/sweep").bearer(&root).send());
        reached.recv().unwrap();
        let deleting = scope.spawn(|| postern.delete(&at("shop", "")).bearer(&root).send());
        // The deletion is under way, or over, when the connection is shown no more or is asked for in vain.
        drop(postern.get("/api/v1/connection").bearer(&root).send().expect_status(200));
        release.send(()).unwrap();
        drop(deleting.join().unwrap().expect_status(204));
        drop(sweeping.join().unwrap().expect_status(200));
    });
    drop(read(&postern, &root, "shop").expect_status(404));
    let list = postern.get("/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!(list["total"], 0, "{list}");
    let revoked: Vec<_> = mock.requests().iter().filter_map(|request| request.field("token")).collect();
    assert!(revoked.contains(&refresh(2)), "what came last was not given back: {revoked:?}");
    for _ in 0..2 {
        clock.advance(LIFE);
        let report = postern.post("/api/v1/sweep").bearer(&root).send().expect_status(200).json();
        assert_eq!(report["due"], 0, "{report}");
        assert_eq!(mock.count("/token"), 2);
        postern.kill_and_restart();
    }
    postern.kill();
    let own = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";
    assert_eq!(postern.sql("Connection", "shop", own), json!([[0]]));
    assert_eq!(postern.sql("Directory", "directory", "SELECT count(*) FROM connection"), json!([[0]]));
}

/// K18: five connections fail at a provider; the others do not even ask. After half a minute one goes to see, and when
/// that works all go.
#[test]
fn a_provider_that_is_down_is_asked_by_one_connection_for_all() {
    let keys = ["a", "b", "c", "d", "e", "f", "g"];
    let scene = Scene::new(&keys);
    scene.clock.advance(LIFE);
    scene.answers(Some(MockAnswer::text(500, "")));
    let calls = scene.calls();
    for key in &keys[..5] {
        drop(scene.read(key).expect_status(502));
    }
    assert_eq!(scene.calls(), calls + 5);
    for _ in 0..2 {
        for key in keys {
            drop(scene.read(key).expect_status(502));
        }
        drop(scene.sweep());
    }
    assert_eq!(scene.calls(), calls + 5, "a provider that is down was asked");

    // All back-offs are over, and the breaker's own time. One goes, and fails.
    scene.clock.advance(40);
    drop(scene.sweep());
    for key in keys {
        drop(scene.read(key).expect_status(502));
    }
    assert_eq!(scene.calls(), calls + 6, "more than one went to see");

    scene.answers(None);
    // The next time one goes and is well; those who were told to wait meanwhile come within a minute after it.
    scene.clock.advance(100);
    drop(scene.sweep());
    scene.clock.advance(70);
    drop(scene.sweep());
    for key in keys {
        assert_eq!(scene.live(key).1, "good", "{key}");
    }
    assert_eq!(scene.calls(), calls + 6 + keys.len());
}

/// K18: one connection in trouble does not stop the others: only failures of different ones count.
#[test]
fn one_connection_that_fails_again_and_again_stops_no_other() {
    let scene = Scene::new(&["bad", "good"]);
    scene.clock.advance(DUE);
    scene.answers(Some(MockAnswer::text(500, "")));
    for (failures, wait) in [(1, 40), (2, 80), (3, 160)] {
        drop(scene.read("bad").expect_status(200));
        scene.wait_until("a failure", || scene.refresh("bad")["failures"] == failures);
        scene.clock.advance(wait);
    }
    scene.clock.advance(LIFE - DUE);
    for _ in 0..3 {
        let before = scene.calls();
        drop(scene.read("bad").expect_status(502));
        assert_eq!(scene.calls(), before + 1);
        scene.clock.advance(3_600 + 900);
    }
    scene.answers(None);
    assert_eq!(scene.live("good").1, "good");
}

/// K18: the client is refused: no other connection with the same client asks, and none is condemned. With a new secret
/// the one that has it goes at once.
#[test]
fn a_client_that_is_refused_once_is_not_tried_for_the_others() {
    let scene = Scene::new(&[]);
    let keys = ["a", "b", "c"];
    for key in keys {
        connect(&scene.postern, &scene.root, key, CLIENT_CREDENTIALS, &secrets(&scene.mock.url()));
        drop(live(&scene.postern, &scene.root, key));
    }
    authorized(&scene.postern, &scene.root, "people", &scene.mock);
    scene.clock.advance(LIFE);
    scene.answers(Some(refusal(401, "invalid_client")));
    let calls = scene.calls();
    drop(scene.read("a").expect_status(502));
    assert_eq!(scene.refresh("a")["state"], "stopped");
    for key in ["b", "c", "a"] {
        let told = scene.read(key).expect_status(502).text();
        assert!(told.contains("(invalid_client)"), "{key}: {told}");
    }
    drop(scene.sweep());
    // Another definition is another integration: that one asked for itself.
    assert_eq!(scene.calls(), calls + 2);
    for key in ["b", "c", "people"] {
        let shown = scene.postern.get(&at(key, "")).bearer(&scene.root).send().expect_status(200).json();
        assert_eq!(shown["authorized"], true, "{key}: {shown}");
        assert_ne!(shown["refresh"]["state"], "needs_authorization", "{key}: {shown}");
    }

    scene.answers(None);
    for key in ["b", "c"] {
        let new = json!({ "client_secret": "another secret" });
        let path = at(key, "/secret?verify=false");
        drop(scene.postern.patch(&path).bearer(&scene.root).json(&new).send().expect_status(200));
        assert_eq!(scene.live(key).1, "good");
    }
    assert_eq!(scene.calls(), calls + 4);
    drop(scene.read("a").expect_status(502));
    assert_eq!(scene.calls(), calls + 4);
    // The old one is tried again in its time: by one, and then by all.
    scene.clock.advance(2_300);
    assert_eq!(scene.live("a").1, "good");
    let mended = scene.refresh("a");
    assert_eq!([&mended["error"], &mended["fault"]], [&Value::Null; 2], "{mended}");
}
