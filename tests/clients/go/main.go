// The handler that tests/clients/README.md describes, with the official client for Go.
package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string `json:"do"`
	Value any    `json:"value"`
	Bytes int    `json:"bytes"`
}

func handler(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "fail":
		return nil, errors.New("on purpose")
	case "big":
		return strings.Repeat("b", e.Bytes-2), nil
	}
	lc, _ := lambdacontext.FromContext(ctx)
	return map[string]any{"value": e.Value, "requestId": lc.AwsRequestID, "custom": lc.ClientContext.Custom}, nil
}

func main() {
	if os.Getenv("STOKE_TEST_INIT_ERROR") != "" {
		panic("no init on purpose")
	}
	if os.Getenv("STOKE_TEST_SIGTERM") != "" { // registers an internal extension that never asks again
		lambda.StartWithOptions(handler, lambda.WithEnableSIGTERM())
	}
	lambda.Start(handler)
}
