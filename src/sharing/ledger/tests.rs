use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::{
    protocol::view::Role,
    random::random_id,
    sharing::{
        LONGEST, Visitor, With,
        shares::{NotRevoked, NotShared},
    },
};

const NOW: u64 = 1_700_000_000;
const MILLIS: u64 = NOW * 1000;

/// A file that is not there yet, in a folder that goes with this.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("framehub-test-{}", random_id())))
    }

    fn file(&self) -> PathBuf {
        self.0.join("shares.json")
    }

    fn try_open(&self) -> Result<Arc<Ledger>, LedgerError> {
        Ledger::open(Some(self.file()), NOW).map(Arc::new)
    }

    /// A server that starts.
    fn open(&self) -> Arc<Ledger> {
        self.try_open().unwrap()
    }

    /// From now on the disk takes nothing.
    fn fill(&self) {
        fs::rename(&self.0, self.0.with_extension("away")).unwrap();
        fs::write(&self.0, "no folder").unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(&self.0).unwrap();
        fs::rename(self.0.with_extension("away"), &self.0).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for path in [self.0.clone(), self.0.with_extension("away")] {
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(&path);
        }
    }
}

fn bob() -> With {
    With::User("bob".to_owned())
}

/// Whether Bob has something in a widget.
fn bob_has(shares: &Shares) -> bool {
    shares.granted(Visitor { user: Some("bob"), ..Visitor::default() }, MILLIS).is_some()
}

#[actix_web::test]
async fn what_is_shared_comes_back_with_its_widget_and_links_are_good_still() {
    let place = Place::new();
    let ledger = place.open();
    let shares = ledger.shares("plot", Some("ann"));
    shares.add(bob(), Role::Interact, None, MILLIS).await.unwrap();
    let (link, _) = shares.add(With::Link, Role::Watch, Some(MILLIS + 60_000), MILLIS).await.unwrap();
    let secret = ledger.links(NOW).secret("plot", &link).unwrap();
    let mode = fs::metadata(place.file()).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, fs::read_dir(&place.0).unwrap().count()), (0o600, 1));

    // Twice: what nobody changes stays.
    for ledger in [place.open(), place.open()] {
        let back = ledger.shares("plot", Some("ann"));
        assert_eq!(back.list(MILLIS), shares.list(MILLIS));
        assert!(ledger.links(NOW).check(&secret, "plot", NOW).unwrap().is_of(&link));
        assert!(back.list(MILLIS + 60_000).len() == 1, "an expired share came back");
    }
}

#[actix_web::test]
async fn no_other_widget_and_no_other_owner_gets_them() {
    let place = Place::new();
    let ledger = place.open();
    ledger.shares("plot", Some("ann")).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    let ledger = place.open();
    for (widget, owner) in [("plot", Some("carl")), ("plot", None), ("other", Some("ann"))] {
        assert!(!bob_has(&ledger.shares(widget, owner)), "{widget} {owner:?}");
    }
    assert!(bob_has(&ledger.shares("plot", Some("ann"))));
}

#[actix_web::test]
async fn what_was_revoked_and_what_ended_with_its_widget_does_not_come_back() {
    let place = Place::new();
    let ledger = place.open();
    let (plot, closed) = (ledger.shares("plot", Some("ann")), ledger.shares("closed", Some("ann")));
    let (share, _) = plot.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    plot.add(With::Group("lab".to_owned()), Role::Watch, None, MILLIS).await.unwrap();
    closed.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    closed.end();
    assert_eq!(plot.revoke(&share.id).await, Ok(()));
    let ledger = place.open();
    assert_eq!(ledger.shares("plot", Some("ann")).list(MILLIS).len(), 1);
    assert_eq!(ledger.shares("closed", Some("ann")).list(MILLIS), []);
    // A handle that somebody still has brings nothing back either.
    closed.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    assert_eq!(place.open().shares("closed", Some("ann")).list(MILLIS), []);
}

#[actix_web::test]
async fn a_share_that_cannot_be_kept_is_not_in_force_and_leaves_what_was() {
    let place = Place::new();
    let ledger = place.open();
    let shares = ledger.shares("plot", Some("ann"));
    shares.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    let before = shares.list(MILLIS);
    place.fill();
    for with in [bob(), With::Link, With::Group("lab".to_owned())] {
        let added = shares.add(with, Role::Interact, Some(MILLIS + 9), MILLIS).await;
        assert_eq!((added, shares.list(MILLIS)), (Err(NotShared::NotKept), before.clone()));
    }
    place.make_room();
    assert!(ledger.finish().await);
    assert_eq!(place.open().shares("plot", Some("ann")).list(MILLIS), before);
}

#[actix_web::test]
async fn a_revocation_that_cannot_be_kept_holds_at_once_and_may_be_asked_for_until_it_is() {
    let place = Place::new();
    let ledger = place.open();
    let shares = ledger.shares("plot", Some("ann"));
    let (share, _) = shares.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    place.fill();
    for _ in 0..2 {
        assert_eq!(shares.revoke(&share.id).await, Err(NotRevoked::NotKept));
        assert!(!bob_has(&shares) && ledger.unkept() > 0);
    }
    assert_eq!(shares.revoke("other").await, Err(NotRevoked::Unknown));
    place.make_room();
    assert_eq!(shares.revoke(&share.id).await, Ok(()));
    assert_eq!((shares.revoke(&share.id).await, ledger.unkept()), (Err(NotRevoked::Unknown), 0));
    assert!(!bob_has(&place.open().shares("plot", Some("ann"))));
}

#[actix_web::test]
async fn the_end_of_a_widget_and_what_nobody_asks_for_again_is_kept_as_soon_as_that_can_be() {
    let place = Place::new();
    let ledger = place.open();
    let [closed, revoked] = ["closed", "revoked"].map(|widget| ledger.shares(widget, Some("ann")));
    closed.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    let (share, _) = revoked.add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    place.fill();
    closed.end();
    assert_eq!(revoked.revoke(&share.id).await, Err(NotRevoked::NotKept));
    place.make_room();
    assert!(ledger.finish().await);
    let ledger = place.open();
    assert!(
        !bob_has(&ledger.shares("closed", Some("ann"))) && !bob_has(&ledger.shares("revoked", Some("ann")))
    );
}

#[actix_web::test]
async fn a_disk_that_hangs_holds_up_whoever_shares_and_nobody_else() {
    let place = Place::new();
    place.open().shares("away", Some("ann")).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    tokio::time::pause();
    let (writes, written) = std::sync::mpsc::channel::<()>();
    let hangs = move |_: &Path, _: &[u8]| written.recv().map_err(io::Error::other);
    let ledger = Arc::new(Ledger::open_on(Some(place.file()), NOW, hangs).unwrap());
    let shares = ledger.shares("plot", Some("ann"));
    assert_eq!(shares.add(bob(), Role::Watch, None, MILLIS).await, Err(NotShared::NotKept));
    // The write has not ended. What requests ask is answered, and a widget can be made and closed.
    assert!(ledger.awaited("away").is_some() && ledger.awaited("none").is_none() && !bob_has(&shares));
    ledger.links(NOW).check("", "plot", NOW);
    ledger.shares("other", None).end();
    shares.end();
    writes.send(()).unwrap();
}

#[actix_web::test]
async fn widgets_of_before_are_waited_for_until_they_are_back_or_for_a_while() {
    let place = Place::new();
    let ledger = place.open();
    for widget in ["back", "away"] {
        ledger.shares(widget, Some("ann")).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    }
    let ledger = place.open();
    let (owner, shares) = ledger.awaited("back").unwrap();
    assert!(owner.as_deref() == Some("ann") && bob_has(&shares));
    assert!(ledger.awaited("other").is_none());
    ledger.shares("back", Some("ann"));
    assert!(ledger.awaited("back").is_none() && ledger.awaited("away").is_some());
    ledger.book.lock().forget(Instant::now() + AWAITED_FOR);
    assert!(ledger.awaited("away").is_none());
    assert!(!bob_has(&ledger.shares("away", Some("ann"))), "it came back too late");
    assert!(bob_has(&ledger.shares("back", Some("ann"))));
}

#[test]
fn a_file_that_cannot_be_read_is_left_as_it_is_and_named_with_what_to_do() {
    let place = Place::new();
    fs::create_dir(&place.0).unwrap();
    for text in ["", "{}", r#"{"links": null, "widgets": {"plot": {"owner": "ann", "shares": [{}]}}}"#] {
        fs::write(place.file(), text).unwrap();
        let error = place.try_open().err().expect("it was opened").to_string();
        assert!(error.contains(place.file().to_str().unwrap()) && error.contains("move it away"), "{error}");
        assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
    }
    fs::write(place.file(), r#"{"links": null, "widgets": {}}"#).unwrap();
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(place.try_open().err().expect("it was opened").to_string().contains("mode 666"));
    fs::remove_file(place.file()).unwrap();
    fs::create_dir(place.file()).unwrap();
    assert!(place.try_open().is_err(), "a folder was taken for a file");
}

#[actix_web::test]
async fn a_link_that_was_signed_when_the_key_changes_is_good_after_a_restart() {
    let place = Place::new();
    let ledger = place.open();
    let shares = ledger.shares("plot", None);
    let end = Some(MILLIS + 2 * LONGEST * 1000);
    let (share, _) = shares.add(With::Link, Role::Watch, end, MILLIS).await.unwrap();
    let at = |period: u64| NOW + period * LONGEST;
    let first = ledger.links(NOW).secret("plot", &share).unwrap();
    // Asked for when the key is due: whichever signs is on disk.
    let second = ledger.links(at(1)).secret("plot", &share).unwrap();
    let again = place.open();
    // At a time at which it changes no key by itself: the file is the other server's.
    assert!(again.links(NOW).check(&second, "plot", at(1) + 1).is_some());
    drop(again);
    assert!(ledger.finish().await);
    let third = ledger.links(at(1) + 1).secret("plot", &share).unwrap();
    assert_ne!(first, third, "the key did not change");
    let again = place.open();
    for secret in [first, second, third] {
        assert!(again.links(at(1) + 1).check(&secret, "plot", at(1) + 1).is_some());
    }
}

#[actix_web::test]
async fn a_key_that_cannot_be_kept_does_not_sign() {
    let place = Place::new();
    let ledger = place.open();
    let end = Some(MILLIS + 2 * LONGEST * 1000);
    let (share, _) = ledger.shares("plot", None).add(With::Link, Role::Watch, end, MILLIS).await.unwrap();
    let first = ledger.links(NOW).secret("plot", &share).unwrap();
    place.fill();
    let due = ledger.links(NOW + LONGEST).secret("plot", &share).unwrap();
    assert!(!ledger.finish().await);
    assert_eq!([due, ledger.links(NOW + LONGEST).secret("plot", &share).unwrap()], [first.clone(), first]);
}

#[actix_web::test]
async fn links_get_fresh_keys_that_are_on_disk_before_they_sign() {
    let place = Place::new();
    place.open().shares("plot", None).add(bob(), Role::Watch, None, MILLIS).await.unwrap();
    let text = fs::read_to_string(place.file()).unwrap();
    let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    kept.as_object_mut().unwrap().remove("links");
    fs::write(place.file(), kept.to_string()).unwrap();
    drop(place.open());
    assert!(fs::read_to_string(place.file()).unwrap().contains("newer"));
}

#[actix_web::test]
async fn what_merely_looks_expired_right_after_the_start_is_not_thrown_away() {
    const YEARS: u64 = 300_000_000_000;
    let place = Place::new();
    let mut ledger = Ledger::open(Some(place.file()), NOW).unwrap();
    ledger.clock_settles = Instant::now() + CLOCK_SETTLES_IN;
    let ledger = Arc::new(ledger);
    let shares = ledger.shares("plot", Some("ann"));
    shares.add(bob(), Role::Watch, Some(MILLIS + 60_000), MILLIS).await.unwrap();
    let carl = || With::User("carl".to_owned());
    // The clock is years ahead when Carl is let in, and right again a moment later.
    shares.add(carl(), Role::Watch, None, MILLIS + YEARS).await.unwrap();
    assert!(bob_has(&shares));
    assert!(bob_has(&place.open().shares("plot", Some("ann"))));
    let mut settled = Ledger::open(Some(place.file()), NOW).unwrap();
    settled.clock_settles = Instant::now();
    let shares = Arc::new(settled).shares("plot", Some("ann"));
    shares.add(carl(), Role::Interact, None, MILLIS + YEARS).await.unwrap();
    assert!(!bob_has(&shares), "what expired long ago is kept for ever");
}

#[actix_web::test]
async fn without_a_file_nothing_is_kept() {
    let ledger = Arc::new(Ledger::open(None, NOW).unwrap());
    let shares = ledger.shares("plot", None);
    let (share, _) = shares.add(With::Link, Role::Watch, Some(MILLIS + 1), MILLIS).await.unwrap();
    assert!(ledger.keeper.is_none() && ledger.awaited("plot").is_none());
    let secret = ledger.links(NOW + LONGEST - 1).secret("plot", &share).unwrap();
    assert_ne!(ledger.links(NOW + LONGEST).secret("plot", &share).unwrap(), secret);
}
