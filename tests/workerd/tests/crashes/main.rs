//! Crashes: Postern is killed (`kill -9`) at any moment of a renewal, at a provider that takes each refresh token once
//! and ends the whole grant when one comes twice (`oidc-provider`). No connection is lost but where the answer was on
//! its way, each of those is flagged, and no token is served that the provider refuses.
//!
//! `POSTERN_CRASH_ROUNDS` names the rounds of chance, `POSTERN_CRASH_SEED` the chance.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test: a failure is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;
mod dice;
mod storm;
mod way;
mod world;

use std::time::Duration;

use dice::Dice;
use storm::Storm;
use way::Stage;
use world::{TO_DUE, TO_EXPIRY, Verdict, World};

/// A world with one connection whose token is due, and is answered; nothing is on its way.
fn due() -> (World, String) {
    let mut world = World::new(1, Dice::new().0, Duration::ZERO);
    assert_eq!(world.verdict("shop-0"), Verdict::Live);
    let token = common::live(&world.postern, &world.root, "shop-0");
    world.clock.advance(TO_DUE);
    (world, token)
}

/// Sweeps until a renewal has come to this stage, then kills; what has not reached the provider by then is lost, or
/// not.
fn crash_at(world: &mut World, stage: Stage, loses: bool) {
    world.way.hold(stage, loses);
    let sweep = world.sweep();
    let sweeping = std::thread::spawn(move || sweep.try_send());
    let events = if stage == Stage::Asked { 1 } else { 3 };
    assert!(world.way.wait_for_events(events, workerd_tests::DEADLINE), "no renewal began: {:?}", world.way);
    world.crash();
    drop(sweeping.join().unwrap());
    world.way.let_go();
}

/// Fails unless the old token is served while it lives, whoever comes, and the provider is left alone.
#[track_caller]
fn assert_left_alone(world: &mut World, token: &str) {
    for _ in 0..3 {
        assert_eq!(world.postern.fire_cron().status, 200);
        drop(world.sweep().send().expect_status(200));
        assert_eq!(common::live(&world.postern, &world.root, "shop-0"), token);
        assert!(world.is_good(token), "{:#?}", world.history("shop-0"));
    }
    assert_eq!(world.way.passages().len(), 1, "{:#?}", world.way);
}

/// R6, K17: nothing was lost but a request. The old token is served until it expires, and only then the same refresh
/// token is tried again.
#[test]
fn a_request_that_died_with_its_process_is_sent_again_when_the_token_is_over() {
    let (mut world, token) = due();
    crash_at(&mut world, Stage::Asked, true);
    assert_left_alone(&mut world, &token);
    world.clock.advance(TO_EXPIRY);
    assert_eq!(world.verdict("shop-0"), Verdict::Live);
    let passages = world.way.passages();
    assert_eq!((passages.len(), &passages[0].sent), (2, &passages[1].sent));
}

/// R6, K17, K18: the provider has rotated the token and nobody knows the new one: the old access token is served until
/// it expires, then a person is asked for. Such a person mends it.
#[test]
fn an_answer_that_died_with_its_process_is_flagged_when_the_token_is_over() {
    for stage in [Stage::Asked, Stage::Acted] {
        let (mut world, token) = due();
        crash_at(&mut world, stage, false);
        assert_left_alone(&mut world, &token);
        world.clock.advance(TO_EXPIRY);
        assert_eq!(world.verdict("shop-0"), Verdict::Flagged);
        for _ in 0..3 {
            world.clock.advance(7_200);
            assert_eq!(world.verdict("shop-0"), Verdict::Flagged);
            assert_eq!(world.postern.fire_cron().status, 200);
        }
        assert_eq!(world.way.passages().len(), 2, "{:#?}", world.way);
        world.authorize("shop-0");
        assert_eq!(world.verdict("shop-0"), Verdict::Live);
    }
}

/// R6: what a reader has heard of is stored.
#[test]
fn an_answer_that_was_passed_on_survives_the_crash_of_the_same_moment() {
    let (mut world, _) = due();
    for _ in 0..3 {
        world.clock.advance(TO_EXPIRY);
        let token = common::live(&world.postern, &world.root, "shop-0");
        world.crash();
        assert_eq!(common::live(&world.postern, &world.root, "shop-0"), token);
        assert_eq!(world.verdict("shop-0"), Verdict::Live);
    }
    assert_eq!(world.way.passages().len(), 3, "{:#?}", world.way);
}

/// R2, R6, R7, K17: chance decides when.
#[test]
fn whenever_it_is_killed_no_connection_is_lost_in_silence() {
    let mut storm = Storm::new();
    for round in 0..storm::rounds() {
        storm.round(round);
    }
    storm.report();
}
