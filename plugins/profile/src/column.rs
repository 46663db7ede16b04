//! What is known of a column, value by value.

use serde::Serialize;
use std::collections::BTreeMap;

/// Up to so many different values are counted.
const MAX_DISTINCT: usize = 50_000;

#[derive(Serialize)]
pub struct Summary {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    missing: u64,
    distinct: Option<usize>,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    first: Option<String>,
    last: Option<String>,
    most_frequent: Vec<Frequent>,
}

#[derive(Serialize)]
struct Frequent {
    value: String,
    count: u64,
}

pub struct Column {
    name: String,
    present: u64,
    // Which of the types all values have had so far.
    integer: bool,
    number: bool,
    boolean: bool,
    date: bool,
    min: f64,
    max: f64,
    sum: f64,
    lost: f64, // by rounding, of sum
    first: Option<String>,
    last: Option<String>,
    counts: Option<BTreeMap<String, u64>>, // None once there are too many
}

impl Column {
    pub fn new(name: String) -> Self {
        Column {
            name,
            present: 0,
            integer: true,
            number: true,
            boolean: true,
            date: true,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            lost: 0.0,
            first: None,
            last: None,
            counts: Some(BTreeMap::new()),
        }
    }

    pub fn add(&mut self, value: &str) {
        if is_missing(value) {
            return;
        }
        self.present += 1;
        self.integer = self.integer && is_integer(value);
        self.boolean = self.boolean && (value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"));
        self.date = self.date && is_date(value);
        match number(value) {
            Some(n) if self.number => self.add_number(n),
            _ => self.number = false,
        }
        if self.first.as_deref().map_or(true, |first| value < first) {
            self.first = Some(value.to_string());
        }
        if self.last.as_deref().map_or(true, |last| value > last) {
            self.last = Some(value.to_string());
        }
        self.count(value);
    }

    /// Kahan's sum: the mean of a million values must not depend on their order.
    fn add_number(&mut self, n: f64) {
        self.min = self.min.min(n);
        self.max = self.max.max(n);
        let next = n - self.lost;
        let sum = self.sum + next;
        self.lost = (sum - self.sum) - next;
        self.sum = sum;
    }

    fn count(&mut self, value: &str) {
        let Some(counts) = &mut self.counts else { return };
        if let Some(count) = counts.get_mut(value) {
            *count += 1;
        } else if counts.len() == MAX_DISTINCT {
            self.counts = None;
        } else {
            counts.insert(value.to_string(), 1);
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Column { present: 0, .. } => "empty",
            Column { integer: true, number: true, .. } => "integer",
            Column { number: true, .. } => "number",
            Column { boolean: true, .. } => "boolean",
            Column { date: true, .. } => "date",
            _ => "text",
        }
    }

    pub fn summary(self, rows: u64, top: usize) -> Summary {
        let kind = self.kind();
        let numeric = kind == "integer" || kind == "number";
        let mean = self.sum / self.present as f64;
        let distinct = self.counts.as_ref().map(BTreeMap::len);
        let mut frequent: Vec<(String, u64)> = self.counts.unwrap_or_default().into_iter().collect();
        frequent.sort_by(|a, b| b.1.cmp(&a.1)); // stable: equal ones stay in the order of their values
        frequent.truncate(top);
        Summary {
            name: self.name,
            kind,
            missing: rows - self.present,
            distinct,
            min: numeric.then_some(self.min),
            max: numeric.then_some(self.max),
            mean: (numeric && mean.is_finite()).then_some(mean),
            first: self.first.filter(|_| !numeric),
            last: self.last.filter(|_| !numeric),
            most_frequent: frequent.into_iter().map(|(value, count)| Frequent { value, count }).collect(),
        }
    }
}

fn is_missing(value: &str) -> bool {
    value.is_empty() || ["na", "n/a", "nan", "null", "none"].iter().any(|missing| value.eq_ignore_ascii_case(missing))
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Rust also reads "inf" and "infinity", which are no numbers of a table.
fn number(value: &str) -> Option<f64> {
    let n: f64 = value.parse().ok()?;
    (n.is_finite() && value.bytes().any(|b| b.is_ascii_digit())).then_some(n)
}

/// A date is YYYY-MM-DD, and perhaps a time behind it.
fn is_date(value: &str) -> bool {
    let b = value.as_bytes();
    let two = |at: usize, most: u8| {
        let n = (b[at].wrapping_sub(b'0')).wrapping_mul(10).wrapping_add(b[at + 1].wrapping_sub(b'0'));
        b[at].is_ascii_digit() && b[at + 1].is_ascii_digit() && n >= 1 && n <= most
    };
    b.len() >= 10
        && b[..4].iter().all(u8::is_ascii_digit)
        && b[4] == b'-'
        && b[7] == b'-'
        && two(5, 12)
        && two(8, 31)
        && (b.len() == 10 || b[10] == b'T' || b[10] == b' ')
}
