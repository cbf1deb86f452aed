//! Lists in, pages out.

use serde_json::{Value, json};

use super::*;

const MASTER: &str = "https://master";

fn id(number: u64) -> String {
    format!("{number:032x}")
}

fn head(number: u64, start: u64) -> Value {
    json!({"name": "a", "activationId": id(number), "start": start, "annotations": []})
}

/// The summary of work that the master has as another activation.
fn delegated(number: u64, start: u64, url: &str, there: u64) -> Value {
    let tier = json!({"url": url, "reason": "no place", "activationId": id(there)});
    let mut head = head(number, start);
    head["annotations"] =
        json!([{"key": "kind", "value": "x"}, {"key": "owl-tier", "value": tier}]);
    head
}

/// Two lists, the last started first, and what was asked of them.
struct Lists {
    here: Vec<Value>,
    master: Vec<Value>,
    asked: Vec<(Place, usize, usize)>,
}

impl Lists {
    fn new(here: Vec<Value>, master: Vec<Value>) -> Self {
        Lists {
            here,
            master,
            asked: Vec::new(),
        }
    }

    /// The numbers of the rows of a page.
    fn page(&mut self, skip: usize, limit: usize) -> Vec<u64> {
        let mut merge = Merge::new(MASTER, skip, limit);
        loop {
            let part = |list: &[Value], skip, limit| -> Vec<Value> {
                list.iter().skip(skip).take(limit).cloned().collect()
            };
            match merge.wants() {
                Wants::Here { skip, limit } => {
                    self.asked.push((Place::Here, skip, limit));
                    let part = part(&self.here, skip, limit);
                    let part: Vec<_> = part.iter().map(|v| v.to_string().into_bytes()).collect();
                    merge.add_here(&part);
                }
                Wants::Master { skip, limit } => {
                    self.asked.push((Place::Master, skip, limit));
                    let part = json!(part(&self.master, skip, limit)).to_string();
                    let is_here = |known: ActivationId| {
                        let known = known.to_string();
                        self.here.iter().any(|row| row["activationId"] == *known)
                    };
                    merge.add_master(part.as_bytes(), is_here).unwrap();
                }
                Wants::Nothing => break,
            }
        }
        let number = |row: &Row| u64::from_str_radix(&row.id.to_string(), 16).unwrap();
        merge.rows().iter().map(number).collect()
    }
}

#[test]
fn by_start_the_last_first() {
    let here = vec![head(1, 90), head(2, 50), head(3, 10)];
    let master = vec![head(4, 100), head(5, 50), head(6, 5)];
    let mut lists = Lists::new(here, master);
    assert_eq!(lists.page(0, 30), [4, 1, 2, 5, 3, 6]);
    assert_eq!(lists.page(1, 3), [1, 2, 5]);
    assert_eq!(lists.page(5, 30), [6]);
    assert_eq!(lists.page(6, 30), [0; 0]);
    assert_eq!(Lists::new(vec![], vec![]).page(0, 9), [0; 0]);
}

#[test]
fn each_id_once() {
    // 7 was delivered to the master under the id that it has here.
    let here = vec![head(1, 90), head(7, 80)];
    let master = vec![head(7, 95), head(4, 85), head(1, 90)];
    assert_eq!(Lists::new(here, master).page(0, 30), [1, 4, 7]);
}

#[test]
fn work_that_was_done_there_is_not_shown_twice() {
    let here = vec![
        delegated(1, 90, MASTER, 11),
        delegated(2, 80, "https://other", 12),
    ];
    let master = vec![head(11, 95), head(12, 85)];
    assert_eq!(Lists::new(here, master).page(0, 30), [1, 12, 2]);
}

#[test]
fn no_more_is_asked_for_than_a_page_needs() {
    let rows = |from: u64, number: u64| -> Vec<Value> {
        let row = |at| head(from + at, 100_000_000 - at * 100_000);
        (0..number).map(row).collect()
    };
    let mut lists = Lists::new(rows(0, 1000), rows(10_000, 1000));
    assert_eq!(lists.page(0, 4), [0, 10_000, 1, 10_001]);
    assert_eq!(lists.asked, [(Place::Master, 0, 4), (Place::Here, 0, 200)]);
    lists.asked.clear();
    assert_eq!(lists.page(399, 2), [10_199, 200]);
    let master: Vec<_> = lists
        .asked
        .iter()
        .filter(|a| a.0 == Place::Master)
        .collect();
    assert_eq!(master, [&(Place::Master, 0, 200), &(Place::Master, 200, 1)]);
    // Pages side by side are the whole.
    let mut whole = Vec::new();
    for skip in (0..2000).step_by(130) {
        whole.extend(lists.page(skip, 130));
    }
    assert_eq!(whole, lists.page(0, 2000));
    assert_eq!(whole.len(), 2000);
}

#[test]
fn a_list_that_grows_meanwhile() {
    let mut merge = Merge::new(MASTER, 0, 5);
    let list = |numbers: &[u64]| {
        let rows: Vec<_> = numbers.iter().map(|n| head(*n, 1000 - n)).collect();
        json!(rows).to_string()
    };
    assert_eq!(merge.wants(), Wants::Master { skip: 0, limit: 5 });
    merge
        .add_master(list(&[1, 2, 3, 4, 5]).as_bytes(), |id| {
            id.as_bytes()[15] == 4
        })
        .unwrap();
    assert!(matches!(merge.wants(), Wants::Here { skip: 0, .. }));
    merge.add_here(&[]);
    // One began: 5 is shown again.
    assert_eq!(merge.wants(), Wants::Master { skip: 5, limit: 1 });
    merge.add_master(list(&[5]).as_bytes(), |_| false).unwrap();
    assert_eq!(merge.wants(), Wants::Master { skip: 6, limit: 1 });
    merge.add_master(list(&[6]).as_bytes(), |_| false).unwrap();
    assert_eq!(merge.wants(), Wants::Nothing);
    let numbers: Vec<u8> = merge
        .rows()
        .iter()
        .map(|row| row.id.as_bytes()[15])
        .collect();
    assert_eq!(numbers, [1, 2, 3, 5, 6]);
}

#[test]
fn what_is_no_list() {
    for answer in ["", "{}", "[1]", r#"[{"start":1}]"#, "<html>"] {
        let mut merge = Merge::new(MASTER, 0, 5);
        merge.wants();
        let added = merge.add_master(answer.as_bytes(), |_| false);
        assert_eq!(added, Err(NotAList), "{answer}");
    }
}

/// How often a merge asks a master that always shows the same rows, until it is content.
fn asked_of(rows: &[Value], is_here: bool) -> usize {
    let mut merge = Merge::new(MASTER, 0, 30);
    let mut asked = 0;
    loop {
        match merge.wants() {
            Wants::Nothing => return asked,
            Wants::Here { .. } => merge.add_here(&[]),
            Wants::Master { limit, .. } => {
                let answer = json!(&rows[..limit]).to_string();
                merge.add_master(answer.as_bytes(), |_| is_here).unwrap();
            }
        }
        asked += 1;
        assert!(asked < 1000, "it asks without end");
    }
}

#[test]
fn a_master_that_repeats_itself_is_not_asked_without_end() {
    // As many as are asked for each time: `skip` is not heeded.
    let two: Vec<Value> = (0..30).map(|number| head(number % 2, 5)).collect();
    for is_here in [false, true] {
        assert!(asked_of(&two, is_here) <= 6);
    }
    // Rows that are all here, without end.
    let mut merge = Merge::new(MASTER, 0, 30);
    let mut number = 0;
    loop {
        match merge.wants() {
            Wants::Nothing => break,
            Wants::Here { .. } => merge.add_here(&[]),
            Wants::Master { limit, .. } => {
                let rows = (0..limit as u64).map(|row| head(number + row, 5));
                let answer = Value::from_iter(rows).to_string();
                merge.add_master(answer.as_bytes(), |_| true).unwrap();
                number += limit as u64;
            }
        }
        assert!(number < 100_000, "it asks without end");
    }
}

#[test]
fn more_than_was_asked_for_is_no_list() {
    let mut merge = Merge::new(MASTER, 0, 2);
    assert!(matches!(merge.wants(), Wants::Master { limit: 2, .. }));
    let rows: Vec<Value> = (1..=3).map(|number| head(number, 5)).collect();
    let answer = json!(rows).to_string();
    assert_eq!(
        merge.add_master(answer.as_bytes(), |_| false),
        Err(NotAList)
    );
}
