//! The options of the programs that stand before a program, as these read them: single letters, clustered at will,
//! with their values attached or as the next word.

/// An option and its value, if it takes one.
pub(super) type Given<'a> = (char, Option<&'a str>);

/// The options that `words` begin with, and how many words they are. `with_value`: the letters that take one.
/// `None`: something is no option of that program.
pub(super) fn options<'a>(words: &'a [String], with_value: &str, without: &str) -> Option<(Vec<Given<'a>>, usize)> {
    let mut given: Vec<Given<'a>> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { break };
        at += 1;
        if letters == "-" {
            break;
        }
        for (index, letter) in letters.char_indices() {
            if without.contains(letter) {
                given.push((letter, None));
                continue;
            }
            if !with_value.contains(letter) {
                return None;
            }
            let attached = &letters[index + letter.len_utf8()..];
            if attached.is_empty() {
                given.push((letter, Some(words.get(at)?.as_str())));
                at += 1;
            } else {
                given.push((letter, Some(attached)));
            }
            break;
        }
    }
    Some((given, at))
}
