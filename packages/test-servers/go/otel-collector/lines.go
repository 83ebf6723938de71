package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Writes what comes in to the standard output: one line of OTLP/JSON for each batch.
func newLinesFactory() exporter.Factory {
	config := func() component.Config { return &struct{}{} }
	return exporter.NewFactory(
		component.MustNewType("lines"),
		config,
		exporter.WithTraces(newTraces, component.StabilityLevelDevelopment),
		exporter.WithMetrics(newMetrics, component.StabilityLevelDevelopment),
	)
}

func newTraces(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
	marshaler := &ptrace.JSONMarshaler{}
	return exporterhelper.NewTraces(ctx, set, config, func(_ context.Context, traces ptrace.Traces) error {
		line, err := marshaler.MarshalTraces(traces)
		return write(line, err)
	})
}

func newMetrics(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Metrics, error) {
	marshaler := &pmetric.JSONMarshaler{}
	return exporterhelper.NewMetrics(ctx, set, config, func(_ context.Context, metrics pmetric.Metrics) error {
		line, err := marshaler.MarshalMetrics(metrics)
		return write(line, err)
	})
}

func write(line []byte, err error) error {
	if err == nil {
		_, err = fmt.Fprintf(os.Stdout, "%s\n", line)
	}
	return err
}
