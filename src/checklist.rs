//! Tests only: `tests/checklist.md` says which test shows which of its lines, and this compares it with the tests.
//!
//! A test carries ids in the doc comment directly above its `#[test]`: `T6, J12: …`, `S1 to S6: …`, `… (K7)`. The
//! column of tests is written by `POSTERN_BLESS=1 cargo test -p postern checklist`; everything else in the table by
//! hand.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// The lines that the table has: for each family of ids, the last number.
const FAMILIES: [(&str, u8); 12] = [
    ("T", 42),
    ("B", 16),
    ("J", 23),
    ("M", 6),
    ("C", 18),
    ("K", 20),
    ("S", 15),
    ("P", 15),
    ("L", 8),
    ("H", 9),
    ("E", 9),
    ("R", 11),
];

/// Where tests are, seen from the repository's root.
const PLACES: [&str; 3] = ["src", "tests/workerd/tests", "fuzz"];

/// The table.
const TABLE: &str = "tests/checklist.md";

/// How the reason begins why a line can have no test.
const EXCEPTION: &str = "exception: ";

/// For each id, the tests that carry it.
type TestsById = BTreeMap<String, Vec<String>>;

/// One line of the table.
struct Row<'a> {
    /// E.g. `T6`.
    id: &'a str,
    /// What comes in, what happens.
    requirement: &'a str,
    /// Why there is none; mostly empty.
    reason: &'a str,
}

impl<'a> Row<'a> {
    /// Reads a line of the file; none where it is no row with an id.
    fn read(line: &'a str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [id, requirement, _, reason] = cells[..] else { panic!("four cells: {line}") };
        is_id(id).then_some(Self { id, requirement, reason })
    }

    /// The line with these tests.
    fn with_tests(&self, tests: &[String]) -> String {
        let tests = tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>");
        let cells = [self.id, self.requirement, &tests, self.reason];
        cells.iter().fold(String::new(), |line, cell| line + "|" + &padded(cell)) + "|"
    }
}

/// The content of a cell with a space on each side.
fn padded(cell: &str) -> String {
    if cell.is_empty() { " ".to_owned() } else { format!(" {cell} ") }
}

/// Whether a word is an id: a family and a number without leading zero.
fn is_id(word: &str) -> bool {
    let Some((family, number)) = word.split_at_checked(1) else { return false };
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    FAMILIES.iter().any(|(own, _)| *own == family) && is_number && !number.starts_with('0')
}

/// The ids in a doc comment; of a range, all.
fn ids(doc: &str) -> Vec<String> {
    let words: Vec<&str> =
        doc.split(|character: char| !character.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate().filter(|(_, word)| is_id(word)) {
        let from = index.checked_sub(2).filter(|from| words[index - 1] == "to" && is_id(words[*from]));
        match from.map(|from| words[from]) {
            Some(from) if from[..1] == word[..1] => {
                let number = |id: &str| id[1..].parse::<u8>().unwrap();
                found.extend((number(from) + 1..=number(word)).map(|number| format!("{}{number}", &word[..1])));
            }
            _ => found.push((*word).to_owned()),
        }
    }
    found
}

/// Each test of a file: its name and its doc comment.
fn documented_tests(text: &str) -> Vec<(String, String)> {
    let (mut doc, mut is_test, mut found) = (String::new(), false, Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            doc.push_str(comment);
        } else if line == "#[test]" {
            is_test = true;
        } else if !line.starts_with("#[") {
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let Some(name) = name.filter(|_| is_test) {
                found.push((name.to_owned(), std::mem::take(&mut doc)));
            }
            (doc, is_test) = (String::new(), false);
        }
    }
    found
}

/// Every Rust file in or below a folder, which need not be there; no compiler's output.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let in_or_below = |path: PathBuf| match path.extension() {
        _ if path.is_dir() && !path.ends_with("target") => rust_files(&path),
        Some(extension) if extension == "rs" => vec![path],
        _ => Vec::new(),
    };
    paths.into_iter().flat_map(in_or_below).collect()
}

/// All tests that carry ids, by id.
fn tests_by_id() -> TestsById {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = TestsById::new();
    for file in PLACES.iter().flat_map(|place| rust_files(&root.join(place))) {
        let place = file.strip_prefix(root).unwrap().display().to_string();
        for (name, doc) in documented_tests(&fs::read_to_string(&file).unwrap()) {
            for id in ids(&doc) {
                let tests = found.entry(id).or_default();
                let test = format!("{place}::{name}");
                if !tests.contains(&test) {
                    tests.push(test);
                }
            }
        }
    }
    found
}

/// Whether a comment cites a decision, or a section of a document, that is not in the repository.
fn cites_elsewhere(comment: &str) -> bool {
    let words = comment.split(|character: char| !character.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !matches!(*word, "" | "section")).collect();
    let is_number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
    let is_decision = |word: &&str| word.strip_prefix('D').is_some_and(is_number);
    let is_section = |pair: &[&str]| {
        ["contract", "architecture"].iter().any(|name| name.eq_ignore_ascii_case(pair[0])) && is_number(pair[1])
    };
    words.iter().any(is_decision) || words.windows(2).any(is_section)
}

/// What is wrong with the hand-written part of a row, given whether it has tests.
fn fault(row: &Row<'_>, has_tests: bool) -> Option<String> {
    let (id, reason) = (row.id, row.reason);
    if reason.is_empty() {
        return (!has_tests).then(|| format!("{id} has neither a test nor a reason"));
    }
    match reason.strip_prefix(EXCEPTION) {
        None | Some("") => Some(format!("{id}: a reason begins with `{EXCEPTION}` and says something")),
        Some(_) => has_tests.then(|| format!("{id} is an exception and has a test")),
    }
}

/// The table with the tests that there are.
fn rewritten(table: &str, tests: &TestsById) -> String {
    let line = |line| Row::read(line).map_or_else(|| String::from(line), |row| row.with_tests(of(tests, row.id)));
    table.lines().map(line).fold(String::new(), |text, line| text + &line + "\n")
}

/// The tests of an id.
fn of<'a>(tests: &'a TestsById, id: &str) -> &'a [String] {
    tests.get(id).map_or(&[], Vec::as_slice)
}

/// The ids that the table must have, in its order.
fn every_id() -> Vec<String> {
    FAMILIES.iter().flat_map(|(family, last)| (1..=*last).map(move |number| format!("{family}{number}"))).collect()
}

#[test]
fn the_checklist_names_the_tests_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let (table, tests) = (fs::read_to_string(&path).unwrap(), tests_by_id());
    let rows: Vec<Row<'_>> = table.lines().filter_map(Row::read).collect();
    let every = every_id();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), every, "the lines of {TABLE}");

    let mut faults: Vec<String> = rows.iter().filter_map(|row| fault(row, !of(&tests, row.id).is_empty())).collect();
    let unknown = tests.iter().filter(|(id, _)| !every.contains(id));
    faults.extend(unknown.map(|(id, tests)| format!("there is no {id}, named by {}", tests.join(", "))));
    let current = rewritten(&table, &tests);
    if env::var_os("POSTERN_BLESS").is_some() {
        fs::write(&path, &current).unwrap();
    } else {
        let differs = table.lines().zip(current.lines()).filter(|(written, current)| written != current);
        let id = |line: &str| Row::read(line).map(|row| row.id.to_owned()).unwrap_or_default();
        faults.extend(
            differs.map(|(line, _)| format!("{}: not the tests there are; POSTERN_BLESS=1 writes them", id(line))),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a comment refers to is in the repository, or published.
#[test]
fn comments_cite_what_a_reader_can_open() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in PLACES.iter().flat_map(|place| rust_files(&root.join(place))) {
        let text = fs::read_to_string(&file).unwrap();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//")) {
            assert!(!cites_elsewhere(line), "{}:{}: {line}", file.display(), index + 1);
        }
    }
}

#[test]
fn citations_of_what_is_elsewhere_are_found() {
    for cited in
        ["/// D14: x", "// x (D5).", "//! Contract 5.1: x", "/// x (contract section 1.4).", "/// Architecture §7"]
    {
        assert!(cites_elsewhere(cited), "{cited}");
    }
    for fine in ["/// T14: x (K7)", "/// D, 3D", "/// RFC 8725 §3.1, section 5", "/// a contract of 5; architecture"] {
        assert!(!cites_elsewhere(fine), "{fine}");
    }
}

#[test]
fn ids_are_read_wherever_they_stand_in_a_doc_comment() {
    let cases: [(&str, &[&str]); 6] = [
        (" T6, J12: twice. K7", &["T6", "J12", "K7"]),
        (" S1 to S4, S9: hosts", &["S1", "S2", "S3", "S4", "S9"]),
        (" (X14), RFC 6749, X1, T, T06, T100, AT1, 8.1: none", &[]),
        (" R4: section 5 to E3", &["R4", "E3"]),
        (" T1 to B2", &["T1", "B2"]),
        (" Section 5.1: L2", &["L2"]),
    ];
    for (doc, expected) in cases {
        assert_eq!(ids(doc), expected, "{doc}");
    }
}

#[test]
fn a_test_is_read_with_its_doc_comment_only() {
    let text = "/// T1: a\n/// helper.\nfn helper() {\n}\n/// T2: first,\n/// T3.\n#[test]\n#[expect(x)]\nfn one() {\n}\n\n#[test]\nfn two() {}";
    let expected = [("one", " T2: first, T3."), ("two", "")];
    assert_eq!(documented_tests(text), expected.map(|(name, doc)| (name.to_owned(), doc.to_owned())));
}

#[test]
fn each_line_needs_a_test_or_a_reason_and_an_exception_no_test() {
    let cases = [
        ("", true, true),
        ("", false, false),
        ("exception: there is no such thing", false, true),
        ("exception: there is no such thing", true, false),
        ("exception: ", false, false),
        ("because", false, false),
    ];
    for (reason, has_tests, is_fine) in cases {
        let line = format!("| T1 | a → b | | {reason} |");
        let row = Row::read(&line).unwrap();
        // A reason that ends in a space does not survive the reading of a table.
        let row = Row { reason, ..row };
        assert_eq!(fault(&row, has_tests).is_none(), is_fine, "{reason:?} {has_tests}");
    }
}
