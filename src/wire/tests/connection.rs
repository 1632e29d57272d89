//! Commands and replies of connections.

use super::*;
use crate::{
    connection::{
        command::{
            Addressed, AuthorizationOutcome, Bearer, Command, Former, LiveToken, Refusal, Reply, ResealOutcome, Return,
            Revocation, SweepOutcome, TestOutcome,
        },
        fault::Fault,
        key::ConnectionKey,
        profile::{Access, ProfileInput},
        refresh::RefreshState,
        token_exchange::kept::Kept,
    },
    protocol::{
        page::{Page, PageQuery},
        secret::SecretDigest,
        time::UnixSeconds,
        validation::Issue,
        word::Word,
    },
};

/// What is said of a connection: all there is, and nothing.
fn inputs() -> [ProfileInput; 2] {
    [
        ProfileInput {
            name: Some(text("é")),
            description: Some(text("")),
            access: Access::Write,
            disabled: Some(false),
        },
        ProfileInput { name: None, description: None, access: Access::Read, disabled: None },
    ]
}

/// A return, with all there is and with nothing.
fn returns() -> [Return; 2] {
    let bearer = Bearer::Browser(Some(text("cookie")));
    let (outcome, refused) = (AuthorizationOutcome::Code(text("code")), AuthorizationOutcome::Refused(text("e")));
    [
        Return { state: text("s"), outcome, issuer: Some(text("https://x")), bearer },
        Return { state: text(""), outcome: refused, issuer: None, bearer: Bearer::Caller },
    ]
}

/// Every command.
pub(super) fn commands() -> Vec<u8> {
    let [full, empty] = inputs();
    let [returned, bare] = returns();
    let secrets = || members(document());
    let examples = [
        Command::Save(full.clone()),
        Command::Save(empty.clone()),
        Command::Make(full, Some(document()), secrets(), Former::Changed),
        Command::Make(empty, None, Map::new(), Former::InTheWay),
        Command::Read,
        Command::Delete,
        Command::PutDefinition(document()),
        Command::PutDefinition(Value::Null),
        Command::ReadDefinition,
        Command::DeleteDefinition,
        Command::ReadHistory,
        Command::ReadSnapshot(text("0.0.1")),
        Command::PutSecrets(secrets()),
        Command::PatchSecrets(Map::new()),
        Command::BeginAuthorization(Some(text("https://x/"))),
        Command::BeginAuthorization(None),
        Command::MakeLink(Some(text("https://x/"))),
        Command::ReadLink(text("token")),
        Command::FollowLink(text("token"), SecretDigest::nobody()),
        Command::CompleteAuthorization(returned),
        Command::CompleteAuthorization(bare),
        Command::AccessToken,
        Command::RenewIfDue,
        Command::Reseal,
        Command::Test,
        Command::Revoke,
        Command::Report(text("0f")),
        Command::ReadEvents(PageQuery { page: 2, size: 100 }),
    ];
    let key = ConnectionKey::parse("a.key").unwrap();
    let addressed = sent(&Addressed { key, command: Command::PutSecrets(secrets()) });
    let parts = [
        all_sent(&[Former::Changed, Former::InTheWay]),
        all_sent(&[Bearer::Browser(None), Bearer::Browser(Some(text(""))), Bearer::Caller]),
        all_sent(&returns().map(|returned| returned.outcome)),
        all_sent(&[Access::Read, Access::Write]),
    ];
    [all_sent(&examples), addressed, parts.concat()].concat()
}

/// Every reply.
pub(super) fn replies() -> Vec<u8> {
    let answer = members(json!({ "id": 5, "live": true, "url": "https://x" }));
    let token = |scope: Option<&str>, kept| LiveToken {
        access_token: text("token"),
        token_type: text("Bearer"),
        expires_at: UnixSeconds(u64::MAX),
        scope: scope.map(text),
        kept,
        refresh_state: RefreshState::InDoubt,
    };
    let kept = Kept::of(&answer, &["id", "live", "url"].map(text));
    let examples = [
        Reply::Connection(document()),
        Reply::Definition(document()),
        Reply::AuthorizationUrl(text("https://x/")),
        Reply::Link(text("token"), UnixSeconds(1_700_000_000)),
        Reply::LinkOf(text("name"), text("host")),
        Reply::Authorized(Some(text("https://x/"))),
        Reply::Authorized(None),
        Reply::Token(token(Some("a b"), kept)),
        Reply::Token(token(None, Kept::default())),
        Reply::Done,
        Reply::Sweep(SweepOutcome::Renewed),
        Reply::Tested(TestOutcome::Succeeded),
        Reply::Reseal(ResealOutcome::Unopened),
        Reply::Withdrawn(Revocation::Revoked),
        Reply::Refused(Refusal::NoConnection),
        Reply::Events(Page { items: vec![document()], total: 1 }),
    ];
    let parts = [outcomes(), all_sent(&refusals()), all_sent(&faults()), all_sent(RefreshState::ALL)];
    [all_sent(&examples), parts.concat()].concat()
}

/// Every outcome.
fn outcomes() -> Vec<u8> {
    let failed = || Refusal::Provider(Fault::Busy);
    let swept = [
        SweepOutcome::Renewed,
        SweepOutcome::NotDue,
        SweepOutcome::Failed,
        SweepOutcome::NeedsAuthorization,
        SweepOutcome::Gone,
        SweepOutcome::Paused,
    ];
    let tested = [
        TestOutcome::Succeeded,
        TestOutcome::Status(599),
        TestOutcome::Failed(failed()),
        TestOutcome::Skipped(failed()),
    ];
    let resealed = [ResealOutcome::Resealed, ResealOutcome::NothingToDo, ResealOutcome::Unopened, ResealOutcome::Gone];
    let withdrawn = [
        Revocation::Revoked,
        Revocation::NothingHeld,
        Revocation::NotOffered,
        Revocation::Unopened,
        Revocation::Status(500),
        Revocation::Failed(failed()),
    ];
    [all_sent(&swept), all_sent(&tested), all_sent(&resealed), all_sent(&withdrawn)].concat()
}

/// Every refusal.
fn refusals() -> Vec<Refusal> {
    let missing = Issue::missing(vec!["body".into(), 0.into(), "a".into()]);
    let wrong = Issue::value(vec!["body".into(), usize::from(u16::MAX).into()], "é");
    vec![
        Refusal::NoConnection,
        Refusal::KeyInUse,
        Refusal::InstanceKeyInUse(text("key")),
        Refusal::NoDefinition,
        Refusal::SecretsInTheWay,
        Refusal::NoAuthentication,
        Refusal::NotAuthorizationCode,
        Refusal::NotOauth,
        Refusal::MissingSecrets(vec![text("a"), text("b")]),
        Refusal::Invalid(vec![missing, wrong]),
        Refusal::UnknownState,
        Refusal::UnknownLink,
        Refusal::BindingRequired,
        Refusal::OtherBrowser,
        Refusal::OtherIssuer,
        Refusal::AuthorizationRefused(text("access_denied")),
        Refusal::CodeRefused(Some(text("invalid_grant"))),
        Refusal::CodeRefused(None),
        Refusal::NotSendable(text("<host>")),
        Refusal::Provider(Fault::Refused { error: Some(text("invalid_grant")), status: 400 }),
        Refusal::NeedsAuthorization,
    ]
}

/// Every fault.
fn faults() -> Vec<Fault> {
    vec![
        Fault::Refused { error: Some(text("e")), status: 599 },
        Fault::Refused { error: None, status: 0 },
        Fault::Busy,
        Fault::Failed,
        Fault::Unreachable,
        Fault::TimedOut,
        Fault::Unreadable,
        Fault::NotSendable,
    ]
}
