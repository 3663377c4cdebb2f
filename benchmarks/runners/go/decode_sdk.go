//go:build vendor

// The vendor's Go SDK, called as its documentation shows. Built only when asked for by version
// (`--go-sdk`), for machines whose module proxy serves it.
package main

import (
	"fmt"
	"strconv"

	"github.com/smartcontractkit/data-streams-sdk/go/report"
	v3 "github.com/smartcontractkit/data-streams-sdk/go/report/v3"
)

type result = *report.Report[v3.Data]

func decode(payload []byte) (result, error) { return report.Decode[v3.Data](payload) }

// seconds reads a timestamp of any of the types the SDK's versions have given it.
func seconds(value any) uint64 {
	if at, ok := value.(interface{ Unix() int64 }); ok {
		return uint64(at.Unix())
	}
	out, err := strconv.ParseUint(fmt.Sprint(value), 10, 64)
	must(err)
	return out
}

func plain(r result) decoded {
	d := r.Data
	return decoded{
		context: r.ReportContext, blob: r.ReportBlob, rs: r.RawRs, ss: r.RawSs, vs: r.RawVs,
		feedID: d.FeedID, validFrom: seconds(d.ValidFromTimestamp),
		observations: seconds(d.ObservationsTimestamp), expires: seconds(d.ExpiresAt),
		nativeFee: d.NativeFee, linkFee: d.LinkFee,
		benchmark: d.BenchmarkPrice, bid: d.Bid, ask: d.Ask,
	}
}
