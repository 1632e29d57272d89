//! The tables of the module's documentation, row by row, and what they leave open.

use super::*;
use crate::{
    connection::grant::tests::grant,
    protocol::{json, word::Word},
};

/// The configured lead.
const LEAD: Seconds = Seconds(600);

/// The table of the module's documentation with this first column of its head: the words of its rows.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let lines = include_str!("../refresh.rs").lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with("//! |"));
    let cells = |row: &'static str| row.trim_start_matches("//! |").trim_end_matches('|').split('|').map(str::trim);
    rows.map(|row| cells(row).collect()).collect()
}

/// A condition in which the provider failed at 1000 and is not asked before 2500.
fn waiting(state: RefreshState) -> Condition {
    Condition {
        state,
        failures: 1,
        failed_at: Some(UnixSeconds(1_000)),
        retry_at: Some(UnixSeconds(2_500)),
        last_fault: Some(Fault::Unreachable),
        class: Some(FaultClass::Provider),
        ..Condition::default()
    }
}

/// A failure of this fault with a refresh token.
fn failure(fault: Fault, class: FaultClass) -> Failure {
    let is_unclassified = fault.is_unclassified(&[]);
    Failure { fault, class, is_unclassified, by_refresh_token: true, retry_after: None }
}

/// The first table, cell by cell.
#[test]
fn what_happens_changes_the_state_as_the_table_says() {
    let happenings = [
        Happening::Renewed,
        Happening::AnswerLost,
        Happening::Fault(FaultClass::Connection),
        Happening::Fault(FaultClass::Integration),
        Happening::Fault(FaultClass::Provider),
    ];
    let rows = table("//! | state               | renewed");
    assert_eq!(rows.len(), RefreshState::ALL.len());
    for (&state, row) in RefreshState::ALL.iter().zip(rows) {
        let states = [vec![state], happenings.map(|happening| state.after(happening)).to_vec()].concat();
        assert_eq!(row, states.iter().map(|state| state.word().replace('_', " ")).collect::<Vec<_>>());
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.word()));
    }
}

/// The second table, cell by cell: while a back-off lasts, and when it is over.
#[test]
fn a_read_is_decided_by_the_table() {
    let rows = table("//! | state               | before the lead");
    assert_eq!(rows.len(), RefreshState::ALL.len());
    for (&state, row) in RefreshState::ALL.iter().zip(rows) {
        let fresh = Condition { state, ..Condition::default() };
        let read = |condition: &Condition, now| {
            on_read(Some(&grant()), condition, Renewal::ByRefreshToken, LEAD, UnixSeconds(now))
        };
        for (cell, now) in row[1..].iter().zip([1_799, 1_800, 2_000]) {
            let (during, over) = (read(&waiting(state), now), read(&fresh, now));
            let expected = match *cell {
                "serve" => (ReadDecision::Serve, ReadDecision::Serve),
                "serve, renew behind" | "serve, waits" => (ReadDecision::Serve, ReadDecision::ServeAndRenew),
                "renew, then serve" | "waits" => (ReadDecision::BackingOff(Fault::Unreachable), ReadDecision::Renew),
                "needs authorization" => (ReadDecision::NeedsAuthorization, ReadDecision::NeedsAuthorization),
                other => panic!("{other}"),
            };
            assert_eq!((during, over), expected, "{} {now}", state.word());
        }
    }
}

#[test]
fn without_a_way_to_renew_a_token_is_served_to_its_end() {
    let read = |now| on_read(Some(&grant()), &Condition::default(), Renewal::Impossible, LEAD, UnixSeconds(now));
    assert_eq!((read(1_900), read(2_000)), (ReadDecision::Serve, ReadDecision::NeedsAuthorization));
}

#[test]
fn without_a_token_client_credentials_obtain_one_and_a_code_flow_needs_a_person() {
    let read = |renewal| on_read(None, &Condition::default(), renewal, LEAD, UnixSeconds(1));
    assert_eq!(read(Renewal::ByClientCredentials), ReadDecision::Renew);
    assert_eq!(read(Renewal::Impossible), ReadDecision::NeedsAuthorization);
}

/// A report makes a token due at once, also in doubt, where there is nothing left to lose; the back-off holds.
#[test]
fn a_reported_token_is_due() {
    let read =
        |condition: &Condition| on_read(Some(&grant()), condition, Renewal::ByRefreshToken, LEAD, UnixSeconds(1_100));
    for state in [RefreshState::Good, RefreshState::Failing, RefreshState::Stopped, RefreshState::InDoubt] {
        let reported = Condition { state, reported: true, ..Condition::default() };
        assert_eq!(read(&reported), ReadDecision::ServeAndRenew, "{}", state.word());
        let backing_off = Condition { reported: true, ..waiting(state) };
        assert_eq!(read(&backing_off), ReadDecision::Serve, "{}", state.word());
    }
}

/// Which faults lose an answer: those after which nobody knows what the provider did, if a refresh token was sent.
#[test]
fn an_answer_is_lost_when_a_refresh_token_was_sent_and_nobody_knows() {
    for (fault, lost) in [
        (Fault::TimedOut, true),
        (Fault::Unreachable, true),
        (Fault::Unreadable, true),
        (Fault::Failed, false),
        (Fault::Busy, false),
    ] {
        let state = |by_refresh_token| {
            let failure = Failure { by_refresh_token, ..failure(fault.clone(), FaultClass::Provider) };
            Condition::default().after(&failure, Some(&grant()), UnixSeconds(1_900), 0).state
        };
        assert_eq!(state(true), if lost { RefreshState::InDoubt } else { RefreshState::Failing }, "{fault:?}");
        assert_eq!(state(false), RefreshState::Failing, "{fault:?}");
    }
    let crashed = Condition { attempt: Some(SecretDigest::of("token")), ..Condition::default() }.after_crash();
    assert!(crashed.state == RefreshState::InDoubt && crashed.attempt.is_none());
}

/// Back-off doubles, has an end, is spread, obeys `Retry-After`, and is longer where the operator must act.
#[test]
fn back_off_doubles_and_is_spread() {
    let waits = |class, jitter, retry_after: Option<u64>| {
        let mut condition = Condition::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let retry_after = retry_after.map(Seconds);
            let failure = Failure { retry_after, ..failure(Fault::Failed, class) };
            condition = condition.after(&failure, Some(&grant()), UnixSeconds(0), jitter);
            waits.push(condition.retry_at.unwrap().0);
        }
        waits
    };
    assert_eq!(waits(FaultClass::Provider, 0, None), [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    assert_eq!(waits(FaultClass::Provider, 255, None), [37, 74, 149, 299, 599, 1_199, 2_398, 4_496, 4_496]);
    assert_eq!(waits(FaultClass::Provider, 0, Some(300))[..6], [300, 300, 300, 300, 480, 960]);
    assert_eq!(waits(FaultClass::Integration, 0, None)[..3], [1_800; 3]);
}

/// Why a person is needed is told.
#[test]
fn the_reason_is_told() {
    let dead = failure(Fault::Refused { error: Some("invalid_grant".to_owned()), status: 400 }, FaultClass::Connection);
    let after = |former: RefreshState| {
        let former = Condition { state: former, ..Condition::default() };
        former.after(&dead, Some(&grant()), UnixSeconds(2_000), 0).reason
    };
    assert_eq!(after(RefreshState::Good), Some(Reason::Refused));
    assert_eq!(after(RefreshState::Failing), Some(Reason::Refused));
    assert_eq!(after(RefreshState::InDoubt), Some(Reason::AnswerLost));
    let given_up = Condition::default().given_up();
    assert_eq!((given_up.state, given_up.reason), (RefreshState::NeedsAuthorization, Some(Reason::NotRenewable)));
}

/// A mended definition is tried at once; what a person or the provider must do takes its time.
#[test]
fn what_the_operator_mended_is_tried_at_once() {
    let mended = |mut condition: Condition| (condition.mended(), condition.state, condition.retry_at.is_some());
    let integration = Some(FaultClass::Integration);
    let stopped = Condition { class: integration, ..waiting(RefreshState::Stopped) };
    assert_eq!(mended(stopped), (true, RefreshState::Stopped, false));
    assert_eq!(mended(waiting(RefreshState::Failing)), (false, RefreshState::Failing, true));
    assert_eq!(mended(Condition::default().given_up()), (true, RefreshState::Good, false));
    assert_eq!(mended(Condition::default()), (false, RefreshState::Good, false));
}

/// Refusals that nobody knows the meaning of count as the connection's, but not one, and not on the day of an outage.
#[test]
fn five_unknown_refusals_are_enough_a_day_after_expiry() {
    let unknown = failure(Fault::Refused { error: None, status: 400 }, FaultClass::Provider);
    let after = |failures: &[&Failure], now| {
        let clean = Condition::default();
        failures.iter().fold(clean, |former, one| former.after(one, Some(&grant()), UnixSeconds(now), 0)).state
    };
    assert_eq!(after(&[&unknown; 4], 88_400), RefreshState::Failing);
    assert_eq!(after(&[&unknown; 5], 88_400), RefreshState::NeedsAuthorization);
    assert_eq!(after(&[&unknown; 9], 88_399), RefreshState::Failing);
    let outage = failure(Fault::Failed, FaultClass::Provider);
    let [u, o] = [&unknown, &outage];
    assert_eq!(after(&[u, u, u, u, o, u, u, u, u], 88_400), RefreshState::Failing);
    let own = Failure { by_refresh_token: false, ..unknown.clone() };
    assert_eq!(after(&[&own; 9], 88_400), RefreshState::Failing);
}

/// R9: a clock that was set back does not stop renewals for years.
#[test]
fn a_failure_from_the_future_does_not_bind() {
    let condition = Condition { failed_at: Some(UnixSeconds(2_001)), ..waiting(RefreshState::Failing) };
    let decision = on_read(None, &condition, Renewal::ByClientCredentials, LEAD, UnixSeconds(2_000));
    assert_eq!(decision, ReadDecision::Renew);
    // Nor does a doubt: of a token from the future nobody knows when it expires.
    for condition in [Condition::default(), Condition { state: RefreshState::InDoubt, ..Condition::default() }] {
        let decision = on_read(Some(&grant()), &condition, Renewal::ByRefreshToken, LEAD, UnixSeconds(900));
        assert_eq!(decision, ReadDecision::ServeAndRenew);
    }
}

#[test]
fn the_next_look_is_when_there_is_something_to_do() {
    let look = |condition: &Condition, renewal| next_look(Some(&grant()), condition, renewal, LEAD).map(|at| at.0);
    let with_token = |condition: &Condition| look(condition, Renewal::ByRefreshToken);
    assert_eq!(with_token(&Condition::default()), Some(1_800));
    assert_eq!(with_token(&waiting(RefreshState::Failing)), Some(2_500));
    assert_eq!(with_token(&Condition { retry_at: None, ..waiting(RefreshState::InDoubt) }), Some(2_000));
    assert_eq!(with_token(&Condition { reported: true, ..Condition::default() }), Some(1_000));
    assert_eq!(with_token(&waiting(RefreshState::NeedsAuthorization)), None);
    assert_eq!(look(&Condition::default(), Renewal::Impossible), Some(2_000));
    assert_eq!(look(&Condition::default().given_up(), Renewal::Impossible), None);
    assert_eq!(next_look(None, &Condition::default(), Renewal::ByClientCredentials, LEAD), None);
}

#[test]
fn stored_forms_are_pinned() {
    let stored = include_str!("../../../fixtures/storage/v1/condition.json").trim_end();
    let condition = Condition { attempt: Some(SecretDigest::of("token")), ..waiting(RefreshState::Failing) };
    assert_eq!(serde_json::to_string(&condition).unwrap(), stored);
    let read: Condition = json::read(stored.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    // As it was written before there were states: about no grant, so that it counts no more.
    let former = r#"{"needs_authorization":true,"failures":1,"retry_at":2500,"last_fault":"unreachable"}"#;
    assert_eq!(json::read::<Condition>(former.as_bytes()).unwrap().generation, 0);
}

/// Words are read as they are written.
#[test]
fn every_word_of_a_condition_is_read() {
    let of = |condition: Condition| serde_json::to_value(condition).unwrap();
    for &state in RefreshState::ALL {
        let condition = of(Condition { state, ..Condition::default() });
        assert_eq!(condition["state"], state.word());
        assert_eq!(Condition::from_json(condition).unwrap().state, state);
    }
    for &class in FaultClass::ALL {
        let condition = of(Condition { class: Some(class), ..Condition::default() });
        assert_eq!(condition["class"], class.word());
        assert_eq!(Condition::from_json(condition).unwrap().class, Some(class));
    }
    for &reason in Reason::ALL {
        let condition = of(Condition { reason: Some(reason), ..Condition::default() });
        assert_eq!(condition["reason"], reason.word());
        assert_eq!(Condition::from_json(condition).unwrap().reason, Some(reason));
    }
}
