package audit

// A Sink is told of records: a tracer, counters, a stream of one's own. It is for watching and proves nothing, so unlike a [Log] it cannot refuse. It is
// called by whoever appends, many goroutines at once, and should be quick. It must not keep or change the record.
type Sink interface {
	Record(*Record)
}

// WithSinks returns a log that appends to log and, when it has a record, tells the sinks. Closing it closes log.
func WithSinks(log Log, sinks ...Sink) Log { return &sinkLog{Log: log, sinks: sinks} }

type sinkLog struct {
	Log
	sinks []Sink
}

func (l *sinkLog) Append(r *Record) error {
	if err := l.Log.Append(r); err != nil {
		return err
	}
	for _, sink := range l.sinks {
		sink.Record(r)
	}
	return nil
}
