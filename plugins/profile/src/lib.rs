//! A tool plugin that says what is in a CSV text, column by column. `schema.yaml` describes its export.

mod column;

use column::Column;
use extism_pdk::{plugin_fn, Error, FnResult, Json, WithReturnCode};
use serde::{Deserialize, Serialize};

const MAX_COLUMNS: usize = 1000;

#[derive(Deserialize)]
struct Input {
    csv: String,
    delimiter: Option<String>,
    header: Option<bool>,
    top: Option<usize>,
}

#[derive(Serialize)]
struct Profile {
    rows: u64,
    columns: Vec<column::Summary>,
}

// extism-pdk makes this an export that takes nothing and returns an i32: it reads the input, and sets the output or the error.
#[plugin_fn]
pub fn profile(Json(input): Json<Input>) -> FnResult<Json<Profile>> {
    summarise(input).map(Json).map_err(|message| WithReturnCode::new(Error::msg(message), 1))
}

fn summarise(input: Input) -> Result<Profile, String> {
    let delimiter = match input.delimiter.as_deref() {
        None => b',',
        Some(text) if text.len() == 1 && text != "\"" && text != "\n" && text != "\r" => text.as_bytes()[0],
        Some(text) => return Err(format!("delimiter must be one character of ASCII, not {text:?}")),
    };
    let text = input.csv.strip_prefix('\u{feff}').unwrap_or(&input.csv);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(text.as_bytes());
    let mut columns: Vec<Column> = Vec::new();
    let mut rows = 0;
    let mut first = true;
    for record in reader.records() {
        let record = record.map_err(explain)?;
        if first {
            first = false;
            if record.len() > MAX_COLUMNS {
                return Err(format!("there are more than {MAX_COLUMNS} columns"));
            }
            let named = input.header.unwrap_or(true);
            columns = record.iter().enumerate().map(|(i, name)| Column::new(if named { name.trim().to_string() } else { format!("column {}", i + 1) })).collect();
            if named {
                continue;
            }
        }
        rows += 1;
        for (column, value) in columns.iter_mut().zip(record.iter()) {
            column.add(value.trim());
        }
    }
    let top = input.top.unwrap_or(5);
    Ok(Profile { rows, columns: columns.into_iter().map(|column| column.summary(rows, top)).collect() })
}

fn explain(error: csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, |pos| pos.line());
            format!("line {line} has {len} fields, the first line has {expected_len}")
        }
        _ => error.to_string(),
    }
}
