//! Which of the words that are known one that is not was most probably meant to be.

/// The one of `known` that `word` most probably means.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_ascii_lowercase().replace('-', "_"));
    let all = known.into_iter().map(|known| (known, distance(known)));
    let (best, distance) = all.min_by_key(|(_, distance)| *distance)?;
    (distance <= 1 + word.len().min(best.len()) / 3).then_some(best)
}
