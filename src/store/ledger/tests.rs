#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;
use std::fs;
use tempfile::TempDir;

type Change = (String, Option<Vec<u8>>);

fn as_changes(changes: &[Change]) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    changes.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
}

fn apply(records: &mut Records, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => records.insert(key.clone(), value.clone()),
            None => records.remove(key),
        };
    }
}

fn reopened(place: &TempDir) -> (Ledger, Found) {
    Ledger::open(place.path()).unwrap()
}

fn history() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    let change = ("[a-d]/[x-z]", value);
    proptest::collection::vec(proptest::collection::vec(change, 1..4), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn wherever_it_is_cut_or_damaged_what_is_found_is_a_beginning_of_its_history(
        history in history(),
        damage in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let place = tempfile::tempdir().unwrap();
        let (mut ledger, _) = reopened(&place);
        let mut states = vec![Records::new()];
        for changes in &history {
            ledger.append(as_changes(changes)).unwrap();
            let mut state = states.last().unwrap().clone();
            apply(&mut state, changes);
            states.push(state);
        }
        drop(ledger);
        let path = place.path().join(NAME);
        let bytes = fs::read(&path).unwrap();
        prop_assert_eq!(&reopened(&place).1.records, states.last().unwrap());
        for end in HEADER.len()..bytes.len() {
            fs::write(&path, &bytes[..end]).unwrap();
            let found = reopened(&place).1;
            prop_assert!(states.contains(&found.records));
        }
        let mut damaged = bytes.clone();
        *damage.get_mut(&mut damaged[HEADER.len()..]) ^= flip;
        fs::write(&path, &damaged).unwrap();
        let (mut ledger, found) = reopened(&place);
        prop_assert!(states.contains(&found.records) && found.set_aside.is_some());
        // And it goes on from there.
        let more = vec![("more".to_owned(), Some(b"and more".to_vec()))];
        ledger.append(as_changes(&more)).unwrap();
        let mut expected = found.records;
        apply(&mut expected, &more);
        prop_assert_eq!(reopened(&place).1.records, expected);
    }
}

#[test]
fn it_does_not_grow_with_its_history() {
    let place = tempfile::tempdir().unwrap();
    let (mut ledger, _) = reopened(&place);
    let value = vec![7; 1000];
    for round in 0..2000_u32 {
        let key = format!("i/{}", round % 20);
        ledger.append([(key.as_str(), Some(value.as_slice()))].into_iter()).unwrap();
    }
    assert!(fs::metadata(place.path().join(NAME)).unwrap().len() < 2 * SMALL);
    let (mut ledger, found) = reopened(&place);
    assert_eq!((found.records.len(), found.set_aside), (20, None));
    ledger.rewrite([("only", Some(b"this".as_slice()))].into_iter()).unwrap();
    assert_eq!(reopened(&place).1.records.len(), 1);
    assert!(!place.path().join(FRESH).exists());
}

#[test]
fn what_is_no_ledger_is_set_aside_and_kept() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(NAME);
    for (n, (text, why)) in
        [("abide ledger 9\nnew", "another version"), ("", "it is none"), ("{}", "it is none")].into_iter().enumerate()
    {
        fs::write(&path, text).unwrap();
        let found = reopened(&place).1;
        let kept = format!("ledger.bad-{}", n + 1);
        let told = found.set_aside.unwrap();
        assert!(told.contains(why) && told.contains(&kept), "{told}");
        assert_eq!(fs::read_to_string(place.path().join(kept)).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(reopened(&place).1.set_aside.is_some());
    assert!(path.symlink_metadata().unwrap().is_file());
}

#[test]
fn a_file_that_was_removed_is_told_of_and_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let (mut ledger, _) = reopened(&place);
    fs::remove_file(place.path().join(NAME)).unwrap();
    let all = [("key", Some(b"value".as_slice()))];
    assert!(ledger.append(all.into_iter()).is_err());
    ledger.rewrite(all.into_iter()).unwrap();
    ledger.append([("other", Some(b"value".as_slice()))].into_iter()).unwrap();
    assert_eq!(reopened(&place).1.records.len(), 2);
}
