//! The vendor's Rust crate, speaking the line protocol of loop.py: `bench INPUT_HEX VERSION`.
//! Its outer decoder returns the context and the blob, and does not look at the signatures.

use std::env;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use chainlink_data_streams_report::report::{decode_full_report, v3::ReportDataV3};

type Decoded = (Vec<[u8; 32]>, Vec<u8>, ReportDataV3);

fn decode(text: &str) -> Decoded {
    let payload = hex::decode(&text[2..]).expect("hex");
    let (context, blob) = decode_full_report(&payload).expect("outer");
    let report = ReportDataV3::decode(&blob).expect("body");
    (context, blob, report)
}

fn check((context, blob, report): &Decoded) -> String {
    let fields = [
        ("config_digest", format!("0x{}", hex::encode(context[0]))),
        ("epoch", u32::from_be_bytes(context[1][27..31].try_into().unwrap()).to_string()),
        ("round", context[1][31].to_string()),
        ("extra_hash", format!("0x{}", hex::encode(context[2]))),
        ("report_blob", format!("0x{}", hex::encode(blob))),
        ("feed_id", format!("0x{}", hex::encode(report.feed_id.0))),
        ("valid_from_timestamp", report.valid_from_timestamp.to_string()),
        ("observations_timestamp", report.observations_timestamp.to_string()),
        ("native_fee", report.native_fee.to_string()),
        ("link_fee", report.link_fee.to_string()),
        ("expires_at", report.expires_at.to_string()),
        ("benchmark_price", report.benchmark_price.to_string()),
        ("bid", report.bid.to_string()),
        ("ask", report.ask.to_string()),
    ];
    // Hex and decimal digits only, so nothing here needs escaping.
    let pairs: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\": \"{v}\"")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let text = &arguments[1];
    println!("{{\"what\": \"chainlink-data-streams-report {}\"}}", arguments[2]);
    for line in io::stdin().lock().lines() {
        let line = line.expect("input");
        let count: u64 = line[4..].trim().parse().expect("run N");
        let start = Instant::now();
        for _ in 1..count {
            black_box(decode(black_box(text)));
        }
        let last = black_box(decode(black_box(text)));
        let seconds = start.elapsed().as_secs_f64();
        println!("{{\"seconds\": {seconds}, \"check\": {}}}", check(&last));
        io::stdout().flush().expect("output");
    }
}
