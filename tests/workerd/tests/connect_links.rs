//! Connect links in the real runtime: what a browser sends of its own reaches the Worker, and decides.
#![expect(clippy::unwrap_used, reason = "test: a failure is a failed test")]

mod common;

use common::{
    CALLBACK, CODE_FLOW, assert_kept_secret, at, authorize, connect, parameter, provider, read, root, secrets, text,
};
use workerd_tests::{Answer, Mock, Postern, Request, Setup};

/// What browsers send with each page.
const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A Postern with a connection to a mock.
fn start(setup: Setup, mock: &Mock) -> (Postern, String) {
    let postern = Postern::start(setup);
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&mock.url()));
    (postern, root)
}

/// The path of a new connect link.
fn link(postern: &Postern, root: &str) -> String {
    let made = postern.post(&at("shop", "/connect_link")).bearer(root).send().expect_status(200);
    text(&made.json(), "url").trim_start_matches(&postern.url()).to_owned()
}

/// The button of a link's page, pressed on a page of this kind of site.
fn click(postern: &Postern, link: &str, site: &str) -> Answer {
    postern.post(link).header("Sec-Fetch-Site", site).send()
}

/// Opens a link: the state, and the cookie that the browser keeps.
fn open(postern: &Postern, link: &str) -> (String, String) {
    let gone_on = click(postern, link, "same-origin").expect_status(200);
    let cookie = gone_on.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
    let page = gone_on.text();
    let target = page.split_once("0;url=").unwrap().1.split('"').next().unwrap().replace("&amp;", "&");
    (parameter(&target, "state"), cookie)
}

/// The way back from the provider, of a browser.
fn come_back(postern: &Postern, state: &str) -> Request {
    postern.get(&format!("{CALLBACK}?state={state}&code=c")).header("Accept", PAGE)
}

/// K4, H9, E8: the browser with the cookie is let in and no other; the button counts on our own page only.
#[test]
fn only_the_browser_that_opened_a_link_finishes_the_authorization() {
    let mock = provider(|_, _| None);
    let (mut postern, root) = start(Setup::new().set("REQUIRE_BROWSER_BINDING", "true"), &mock);
    let first = link(&postern, &root);
    let page = postern.get(&first).header("Accept", PAGE).send().expect_status(200);
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    drop(click(&postern, &first, "cross-site").expect_status(403));
    let (state, cookie) = open(&postern, &first);
    drop(come_back(&postern, &state).send().expect_status(403));
    drop(come_back(&postern, &state).header("Cookie", &cookie).send().expect_status(404));
    assert_eq!(mock.requests().len(), 0);

    let (state, cookie) = open(&postern, &link(&postern, &root));
    let back = come_back(&postern, &state).header("Cookie", &format!("other=1; {cookie}")).send().expect_status(303);
    assert_eq!(back.header("Location"), Some("/connected"));
    let page = postern.get("/connected").send().expect_status(200);
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(back.header("Set-Cookie").is_some_and(|gone| gone.contains("Max-Age=0")), "{back:?}");
    let token = text(&read(&postern, &root, "shop").expect_status(200).json(), "access_token");
    // E8: neither the links nor what they left are found in anything that is stored or printed.
    let (links, nonce) = (first.rsplit('/').next().unwrap(), cookie.split('=').nth(1).unwrap());
    assert_kept_secret(&mut postern, "shop", &[links, nonce, &state, &token]);
}

/// K10: a page that asked for the address gets its browser back, if its origin is allowed.
#[test]
fn the_browser_returns_to_the_page_that_began_the_authorization() {
    let mock = provider(|_, _| None);
    let (postern, root) = start(Setup::new().set("ALLOWED_RETURN_ORIGINS", "https://app.example"), &mock);
    let begin = postern.get(&at("shop", "/authorize")).bearer(&root).header("Referer", "https://app.example/x");
    let url = begin.send().expect_status(200).json();
    let back = come_back(&postern, &parameter(url.as_str().unwrap(), "state")).send().expect_status(303);
    assert_eq!(back.header("Location"), Some("https://app.example/integrations/shop?status=succeeded"));
    let back = come_back(&postern, &parameter(&authorize(&postern, &root, "shop"), "state")).send();
    assert_eq!((back.status, back.header("Location")), (303, Some("/connected")));
}
