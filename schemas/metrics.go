package schemas

import "github.com/prometheus/client_golang/prometheus"

// Stages of the pipeline, as they are named in metrics and dead letters.
const (
	StageSubmit     = "submit"
	StageTranscribe = "transcribe"
	StageAnalyze    = "analyze"
	StageReport     = "report"
	StageWarehouse  = "warehouse"
	StageState      = "state"
	StageAudit      = "audit"
)

// StageMetrics are the same five figures for every stage, so that one
// dashboard and one alert serve them all.
type StageMetrics struct {
	in, out, failures *prometheus.CounterVec
	latency           *prometheus.HistogramVec
	lag               *prometheus.GaugeVec
}

// NewStageMetrics registers the figures with r.
func NewStageMetrics(r prometheus.Registerer) *StageMetrics {
	m := &StageMetrics{
		in:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "earshot_stage_in_total", Help: "Records taken in by a stage."}, []string{"stage"}),
		out:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "earshot_stage_out_total", Help: "Records or rows a stage has finished."}, []string{"stage"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "earshot_stage_errors_total", Help: "Failures of a stage by class: record (the input's fault), ours (retried), dead (given up)."}, []string{"stage", "class"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "earshot_stage_latency_seconds", Help: "Time a stage spent on a record or batch, in seconds.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}}, []string{"stage"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "earshot_stage_lag_records", Help: "Records of a topic that a stage has not handled yet (consumer lag)."}, []string{"stage", "topic"}),
	}
	r.MustRegister(m.in, m.out, m.failures, m.latency, m.lag)
	return m
}

// In counts what a stage took in.
func (m *StageMetrics) In(stage string) prometheus.Counter { return m.in.WithLabelValues(stage) }

// Out counts what a stage finished.
func (m *StageMetrics) Out(stage string) prometheus.Counter { return m.out.WithLabelValues(stage) }

// Errors counts failures by class: "record", "ours" or "dead".
func (m *StageMetrics) Errors(stage, class string) prometheus.Counter {
	return m.failures.WithLabelValues(stage, class)
}

// Latency takes seconds.
func (m *StageMetrics) Latency(stage string) prometheus.Observer {
	return m.latency.WithLabelValues(stage)
}

// Lag takes a number of records.
func (m *StageMetrics) Lag(stage, topic string) prometheus.Gauge {
	return m.lag.WithLabelValues(stage, topic)
}
