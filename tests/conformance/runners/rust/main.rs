//! The vendor's Rust crate over the corpus: `conformance DIR NAME`.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{env, fs};

use chainlink_data_streams_report::report::*;
use serde_json::{json, Map, Value};

/// A report's fields under their own names, which are those of the corpus.
macro_rules! read {
    ($blob:expr, $kind:path, $schema:expr, $($field:ident)*) => {{
        let report = <$kind>::decode($blob).map_err(|error| format!("{error:?}"))?;
        let mut out = Map::new();
        out.insert("schema".into(), json!($schema));
        out.insert("feed_id".into(), json!(format!("0x{}", hex::encode(report.feed_id.0))));
        $(out.insert(stringify!($field).into(), json!(report.$field.to_string()));)*
        out
    }};
}

/// The same for the schemas that begin with the six common fields.
macro_rules! headed {
    ($blob:expr, $kind:path, $schema:expr, $($field:ident)*) => {
        read!($blob, $kind, $schema, valid_from_timestamp observations_timestamp native_fee
              link_fee expires_at $($field)*)
    };
}

/// The fields of a report, or None where the crate has no such schema.
fn report(blob: &[u8]) -> Result<Option<Map<String, Value>>, String> {
    let version = if blob.len() < 2 { 0 } else { u16::from_be_bytes([blob[0], blob[1]]) };
    Ok(Some(match version {
        1 => {
            let mut out = read!(blob, v1::ReportDataV1, "v1", observations_timestamp benchmark_price
                bid ask current_block_num valid_from_block_num current_block_timestamp);
            let hash = v1::ReportDataV1::decode(blob).expect("read before").current_block_hash;
            out.insert("current_block_hash".into(), json!(format!("0x{}", hex::encode(hash))));
            out
        }
        2 => headed!(blob, v2::ReportDataV2, "v2", benchmark_price),
        3 => headed!(blob, v3::ReportDataV3, "v3", benchmark_price bid ask),
        4 => headed!(blob, v4::ReportDataV4, "v4", market_status),
        5 => headed!(blob, v5::ReportDataV5, "v5", rate timestamp duration),
        6 => headed!(blob, v6::ReportDataV6, "v6", price price2 price3 price4 price5),
        7 => headed!(blob, v7::ReportDataV7, "v7", exchange_rate),
        8 => headed!(blob, v8::ReportDataV8, "v8", last_update_timestamp mid_price market_status),
        9 => headed!(blob, v9::ReportDataV9, "v9", nav_per_share nav_date aum ripcord),
        10 => headed!(blob, v10::ReportDataV10, "v10", last_update_timestamp price market_status
            current_multiplier new_multiplier activation_date_time tokenized_price),
        11 => headed!(blob, v11::ReportDataV11, "v11", mid last_seen_timestamp_ns bid bid_volume
            ask ask_volume last_traded_price market_status),
        12 => headed!(blob, v12::ReportDataV12, "v12", nav_per_share next_nav_per_share nav_date
            ripcord),
        13 => headed!(blob, v13::ReportDataV13, "v13", best_ask best_bid ask_volume bid_volume
            last_traded_price),
        14 => headed!(blob, v14::ReportDataV14, "v14", mid_price bid_price ask_price expiry_time
            first_day_of_notice last_seen_timestamp_ns market_status contract_month
            goldman_roll_price current_business_day interpolated_goldman_roll_price),
        _ => return Ok(None),
    }))
}

/// Context, blob and, where the crate knows its schema, the report.
fn payload(raw: &[u8], with_report: bool) -> Result<Value, String> {
    let (context, blob) = decode_full_report(raw).map_err(|error| format!("{error:?}"))?;
    let words: Vec<String> = context.iter().map(|w| format!("0x{}", hex::encode(w))).collect();
    let mut out = Map::new();
    out.insert("context".into(), json!(words));
    out.insert("report_blob".into(), json!(format!("0x{}", hex::encode(&blob))));
    if with_report {
        if let Some(fields) = report(&blob)? {
            out.insert("report".into(), Value::Object(fields));
        }
    }
    Ok(Value::Object(out))
}

fn decoded(form: &str, input: &Value) -> Result<Value, String> {
    let raw = || hex::decode(&input.as_str().expect("hex")[2..]).expect("hex");
    match form {
        "full_report" => payload(&raw(), true).map(|fields| json!({ "decoded": fields })),
        "envelope" => payload(&raw(), false).map(|fields| json!({ "decoded": fields })),
        "report" => Ok(match report(&raw())? {
            Some(fields) => json!({ "decoded": fields }),
            None => json!({ "skip": "no such schema" }),
        }),
        _ => Ok(json!({ "skip": "it decodes payloads and reports" })),
    }
}

fn answer(case: &Value) -> Value {
    let form = case["form"].as_str().expect("form");
    let found = catch_unwind(AssertUnwindSafe(|| decoded(form, &case["input"])));
    let mut out = match found {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => json!({ "error": error }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let fixed = panic.downcast_ref::<&str>().map(|text| text.to_string());
            json!({ "crash": text.or(fixed).unwrap_or_else(|| "panicked".into()) })
        }
    };
    out["id"] = case["id"].clone();
    out
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    std::panic::set_hook(Box::new(|_| ()));
    let folder = std::path::Path::new(&arguments[1]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file of the corpus");
    let index: Value = serde_json::from_str(&read("corpus.json")).expect("JSON");
    println!("{}", json!({ "decoder": arguments[2] }));
    for name in index["files"].as_object().expect("files").keys() {
        for line in read(name).lines() {
            println!("{}", answer(&serde_json::from_str(line).expect("JSON")));
        }
    }
}
