//! Time: alarms with and without a cron, outages of the process, clocks that jump.

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use serde_json::json;
use workerd_tests::{Clock, MockAnswer, Postern, Setup};

use crate::common::{authorized, live, provider, read, root, tokens};
use crate::scene::{DUE, LIFE, Scene, access, refresh};

/// Ten years, in seconds.
const TEN_YEARS: i64 = 10 * 365 * 86_400;

/// Three days, in seconds: workerd refuses to start much earlier than it was built.
const THREE_DAYS: i64 = 3 * 86_400;

/// A good answer that lives for a minute only, which is as soon as anything is looked at again.
fn short_lived() -> MockAnswer {
    let mut answer = tokens(1);
    answer["expires_in"] = json!(60);
    MockAnswer::json(200, &answer)
}

/// A connection to a mock whose first token is over in seconds, in true time, and whose next ones live for an hour. (An
/// alarm goes by true time from when the process started.)
fn short(setup: Setup) -> Scene {
    let mut scene = Scene::of(setup, &[]);
    scene.answers(Some(short_lived()));
    authorized(&scene.postern, &scene.root, "shop", &scene.mock);
    scene.answers(None);
    scene.postern.kill();
    scene.clock.advance(56);
    scene.postern.kill_and_restart();
    scene
}

/// The alarm alone renews, without tick and reader; where there are no alarms nothing happens until the tick, which
/// suffices.
#[test]
fn an_alarm_renews_what_is_due_and_without_alarms_the_tick_does() {
    let without = short(Setup::new().set("REFRESH_ALARMS", "false"));
    let with = short(Setup::new());
    with.wait_for_calls(2);
    with.wait_until("the new token", || with.live("shop").0 == access(2));
    assert_eq!(with.last_sent(), Some(refresh(1)));
    assert_eq!(without.calls(), 1);
    // Later than that of the other one, and over.
    without.clock.advance(5);
    assert_eq!(without.calls(), 1);
    assert_eq!(without.postern.fire_cron().status, 200);
    assert_eq!((without.calls(), without.live("shop").0), (2, access(2)));
    assert_eq!(with.calls(), 2, "the alarm rang again");
}

/// R6: the alarm was due while the process was dead: it rings after the restart. Without alarms the tick comes.
#[test]
fn an_alarm_that_was_due_during_an_outage_rings_after_it() {
    let mut scene = Scene::of(Setup::new(), &["shop"]);
    let mut silent = Scene::new(&["shop"]);
    for each in [&mut silent, &mut scene] {
        each.postern.kill();
        each.clock.advance(DUE);
        each.postern.kill_and_restart();
    }
    scene.wait_for_calls(2);
    scene.wait_until("the new token", || scene.live("shop").0 == access(2));
    assert_eq!((scene.calls(), scene.last_sent()), (2, Some(refresh(1))));
    assert_eq!(silent.calls(), 1);
    assert_eq!(silent.sweep()["renewed"], 1);
    assert_eq!(silent.calls(), 2);
    // Rung once: another restart finds nothing to do.
    scene.postern.kill_and_restart();
    assert_eq!(scene.sweep()["due"], 0);
    assert_eq!(scene.calls(), 2);
}

/// K18: the alarm also comes back after a fault, when the back-off is over.
#[test]
fn an_alarm_comes_back_after_the_back_off() {
    let mut scene = Scene::of(Setup::new(), &["shop"]);
    scene.answers(Some(MockAnswer::text(500, "")));
    scene.postern.kill();
    scene.clock.advance(DUE);
    scene.postern.kill_and_restart();
    scene.wait_until("a failure", || scene.refresh("shop")["state"] == "failing");
    assert_eq!(scene.calls(), 2);
    scene.answers(None);
    let wait = scene.ahead("shop", "next_at");
    scene.postern.kill();
    scene.clock.advance(wait + 1);
    scene.postern.kill_and_restart();
    scene.wait_until("a good state", || scene.refresh("shop")["state"] == "good");
    assert_eq!((scene.live("shop").0, scene.last_sent()), (access(3), Some(refresh(1))));
}

/// R9: while the provider's answer is on its way, time passes, or the clock is set: a token lives from when it was
/// asked for, not from when it came.
#[test]
fn a_token_is_not_served_longer_than_its_provider_made_it_for() {
    let clock = Clock::new();
    let ((asked, reached), (release, held)) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    let both = Mutex::new((asked, held));
    let mock = provider(move |_, number| {
        if number == 2 {
            let (asked, held) = &*both.lock().unwrap();
            asked.send(()).unwrap();
            let _ = held.recv();
        }
        None
    });
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(LIFE);
    let asked_at = clock.now();
    let answer = thread::scope(|scope| {
        let reading = scope.spawn(|| read(&postern, &root, "shop"));
        reached.recv().unwrap();
        clock.advance(320);
        release.send(()).unwrap();
        reading.join().unwrap().expect_status(200).json()
    });
    let expires_at = answer["expires_at"].as_i64().unwrap();
    assert!((asked_at + LIFE..asked_at + LIFE + 60).contains(&expires_at), "asked at {asked_at}: {answer}");
    clock.advance(LIFE - 320);
    assert_eq!((live(&postern, &root, "shop"), mock.count("/token")), (access(3), 3));
}

/// R9: years pass at once, while it runs and while it does not.
#[test]
fn a_clock_that_jumps_ahead_costs_one_renewal() {
    let mut scene = Scene::new(&["shop"]);
    for calls in 2..4 {
        scene.clock.advance(TEN_YEARS);
        if calls == 3 {
            scene.postern.kill_and_restart();
        }
        scene.root = root(&scene.postern);
        assert_eq!(scene.live("shop").0, access(calls));
        assert_eq!((scene.live("shop").0, scene.calls()), (access(calls), calls));
    }
}

/// R9: the clock is set back: the token is served on, renewed once because nobody knows any more when it ends, and no
/// more.
#[test]
fn a_clock_that_jumps_back_costs_one_renewal() {
    for restart in [false, true] {
        let mut scene = Scene::new(&["shop"]);
        scene.clock.advance(-THREE_DAYS);
        if restart {
            scene.postern.kill_and_restart();
        }
        scene.root = root(&scene.postern);
        assert_eq!(scene.live("shop").0, access(1));
        scene.wait_until("the new token", || scene.live("shop").0 == access(2));
        for _ in 0..3 {
            assert_eq!(scene.live("shop").0, access(2));
            drop(scene.sweep());
        }
        assert_eq!(scene.calls(), 2);
        scene.clock.advance(LIFE);
        assert_eq!((scene.live("shop").0, scene.calls()), (access(3), 3));
    }
}

/// R9: a back-off from the future binds nobody; a grant that is over stays over.
#[test]
fn a_clock_that_jumps_back_ends_a_back_off_and_mends_nothing_else() {
    let mut scene = Scene::new(&["down", "over"]);
    scene.clock.advance(LIFE);
    scene.answers(Some(MockAnswer::text(500, "")));
    drop(scene.read("down").expect_status(502));
    scene.answers(Some(crate::refusal(400, "invalid_grant")));
    drop(scene.read("over").expect_status(409));
    scene.answers(None);
    drop(scene.read("down").expect_status(502));
    let calls = scene.calls();
    scene.clock.advance(-THREE_DAYS);
    scene.root = root(&scene.postern);
    scene.wait_until("a renewal", || scene.read("down").status == 200 && scene.calls() > calls);
    assert_eq!(scene.refresh("down")["state"], "good");
    drop(scene.read("over"));
    assert_eq!(scene.refresh("over")["state"], "needs_authorization");
    assert_eq!(scene.calls(), calls + 1);
}
