// The Go rivals, speaking the line protocol of loop.py: `bench INPUT_HEX NAME`.
// `decode` is in decode_geth.go, or with the build tag `vendor` in decode_sdk.go.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

// decoded is what either decoder found, in plain types.
type decoded struct {
	context                                 [3][32]byte
	blob                                    []byte
	rs, ss                                  [][32]byte
	vs, feedID                              [32]byte
	validFrom, observations, expires        uint64
	nativeFee, linkFee, benchmark, bid, ask *big.Int
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hexed(data []byte) string { return "0x" + hex.EncodeToString(data) }

func words(items [][32]byte) string {
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = hexed(items[i][:])
	}
	return strings.Join(texts, ",")
}

func check(d decoded) map[string]string {
	return map[string]string{
		"config_digest":          hexed(d.context[0][:]),
		"epoch":                  fmt.Sprint(binary.BigEndian.Uint32(d.context[1][27:31])),
		"round":                  fmt.Sprint(d.context[1][31]),
		"extra_hash":             hexed(d.context[2][:]),
		"report_blob":            hexed(d.blob),
		"rs":                     words(d.rs),
		"ss":                     words(d.ss),
		"raw_vs":                 hexed(d.vs[:]),
		"feed_id":                hexed(d.feedID[:]),
		"valid_from_timestamp":   fmt.Sprint(d.validFrom),
		"observations_timestamp": fmt.Sprint(d.observations),
		"native_fee":             d.nativeFee.String(),
		"link_fee":               d.linkFee.String(),
		"expires_at":             fmt.Sprint(d.expires),
		"benchmark_price":        d.benchmark.String(),
		"bid":                    d.bid.String(),
		"ask":                    d.ask.String(),
	}
}

// once is the measured work: hex text in, every field out.
func once(text string) result {
	payload, err := hex.DecodeString(text[2:])
	must(err)
	r, err := decode(payload)
	must(err)
	return r
}

func main() {
	text, say := os.Args[1], json.NewEncoder(os.Stdout)
	must(say.Encode(map[string]string{"what": os.Args[2]}))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var count int
		_, err := fmt.Sscanf(lines.Text(), "run %d", &count)
		must(err)
		var last result
		start := time.Now()
		for i := 0; i < count; i++ {
			last = once(text)
		}
		seconds := time.Since(start).Seconds()
		must(say.Encode(map[string]any{"seconds": seconds, "check": check(plain(last))}))
	}
}
