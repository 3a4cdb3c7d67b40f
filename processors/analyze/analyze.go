package analyze

import (
	"sort"
	"sync"
	"time"

	"earshot/schemas"
)

// Config configures the analyser.
type Config struct {
	Rules string `env:"EARSHOT_RULES" help:"folder with rules that replace the built-in ones, file by file: en/topics.yaml, ru/sentiment.yaml, ..."`
}

// Input is one conversation and what the organisation wants checked in it.
type Input struct {
	Task       schemas.Task
	Utterances []schemas.Utterance         // not changed; the analysis has its own copy
	Language   string                      // BCP 47; "" or "und" = detect
	Locale     string                      // of the organisation: in which language to say that nobody spoke
	NoSpeech   bool                        // the recogniser heard none
	RoleSource string                      // one of the schemas.RoleFrom constants
	Sound      schemas.Sound               // of a recording; goes into the analysis as it is
	Metrics    schemas.Metrics             // likewise: package measure makes them
	Questions  []schemas.ChecklistQuestion // inactive ones are ignored; none active = the built-in list
	Scripts    []schemas.Script            // the best aligned active one counts; none active = the built-in one
	Categories []schemas.Category          // what the conversation may be filed under
	Answers    []schemas.ChecklistAnswer   // those of a person, which stand in place of the analyser's
	Version    int64                       // of the analysis; 0 is 1
	Now        time.Time                   // becomes CreatedAt
	AskedAt    time.Time                   // when another analysis was asked for; zero for the first one
	Heard      string                      // by which speech model; "" for text
	Profile    string                      // digest of Questions, Scripts and Categories; goes into the analysis as it is
}

// Analyzer judges conversations by the rules it was made with. It is safe for
// concurrent use.
type Analyzer struct {
	sets   map[string]*ruleset
	pools  map[string]*sync.Pool // of *scanner
	engine string
}

// New compiles the built-in rules and those in Config.Rules. A broken rules
// file is an error that names the file and the line.
func New(cfg Config) (*Analyzer, error) {
	src := source{folder: cfg.Rules}
	if err := src.check(); err != nil {
		return nil, err
	}
	a := &Analyzer{sets: map[string]*ruleset{}, pools: map[string]*sync.Pool{}}
	for _, lang := range languages {
		file, paths, err := src.load(lang)
		if err != nil {
			return nil, err
		}
		rs, err := compile(lang, file, paths)
		if err != nil {
			return nil, err
		}
		a.sets[lang] = rs
		a.pools[lang] = &sync.Pool{New: func() any { return newScanner(rs) }}
	}
	a.engine = "builtin/1 rules/" + src.version()
	return a, nil
}

// Analyze judges one conversation. The same input gives the same analysis, in
// time linear in the text. It cannot fail: what the text does not tell stays
// nil, unknown or "none".
func (a *Analyzer) Analyze(in Input) schemas.Analysis {
	language, rules := detect(in.Language, in.Utterances)
	if in.Locale != "" && (in.NoSpeech || len(in.Utterances) == 0) {
		_, rules = detect(in.Locale, nil)
	}
	rs := a.sets[rules]
	s := a.pools[rules].Get().(*scanner)
	defer a.pools[rules].Put(s)
	s.reset()

	r := &report{s: s, rs: rs, in: &in, p: &rs.Prose}
	r.a = schemas.Analysis{
		Task: in.Task, Version: max(in.Version, 1), Engine: a.engine, Language: language, NoSpeech: in.NoSpeech,
		RoleSource: in.RoleSource, Utterances: append([]schemas.Utterance(nil), in.Utterances...),
		Sound: in.Sound, Metrics: in.Metrics, CreatedAt: in.Now, AskedAt: in.AskedAt,
		SpeechModel: in.Heard, Profile: in.Profile,
	}
	s.any = in.Task.Type == schemas.TypeAudio
	if !s.any {
		r.plan()
	}
	r.planCategories()
	r.scan()
	switch {
	case in.NoSpeech || s.words == 0:
		r.silence()
	case s.any:
		r.recording()
	default:
		r.judge()
	}
	r.keepAnswers()
	return r.a
}

// report is an analysis in the making.
type report struct {
	a  schemas.Analysis
	s  *scanner
	rs *ruleset
	in *Input
	p  *proseFile

	reasons   []int // indices of the cases, the first is why the customer came
	final     float64
	mean      float64
	lowest    float64
	highest   float64
	accepted  ref
	questions []question
	scripts   []script
	subjects  []subject
}

// scan goes through the turns and sets their sentiment. What a machine says
// says nothing of anybody: it is not judged.
func (r *report) scan() {
	scores := make([]float64, len(r.a.Utterances))
	for i := range r.a.Utterances {
		u := &r.a.Utterances[i]
		if u.Speaker == schemas.RoleSystem {
			continue
		}
		scores[i] = round(r.s.utterance(i, u), 3)
		u.Sentiment = &scores[i]
	}
}

// silence is the honest result when nobody said anything. There is no mood
// where there are no words: sentiment and tone stay empty, as the scores do.
func (r *report) silence() {
	p := r.p
	r.a.NoSpeech = true
	r.a.Summary, r.a.Dynamics, r.a.NextAction = p.NoSpeech, p.None.Dynamics, capital(p.Next.Nothing)
	r.a.Resolution, r.a.Priority, r.a.FunnelStage = "unknown", "low", "none"
	r.a.RiskSignals, r.a.SalesSignals = []string{"none"}, []string{"none"}
	r.a.Intent, r.a.Reason, r.a.Product = p.None.Intent, p.None.Reason, p.None.Product
	r.a.RootCause, r.a.Driver, r.a.Obstacles = p.None.Cause, p.None.Driver, p.None.Obstacles
}

// judge fills everything; the order matters, later judgements use earlier ones.
func (r *report) judge() {
	r.rankReasons()
	r.feelings()
	r.topics()
	r.a.Tags = r.tags()
	r.signals()
	r.resolve()
	r.prioritise()
	r.satisfaction()
	r.manners()
	r.funnel()
	r.notes()
	r.plans()
	r.a.Summary = r.summary()
	r.a.Checklist = r.answers()
	r.align()
	r.categorise()
}

// hits are the cues of a kind that were found, by where they were first found.
func (r *report) hits(k kind) []int {
	var out []int
	for _, id := range r.s.touched {
		if id >= r.rs.base[k] && id < r.rs.base[k+1] {
			out = append(out, int(id-r.rs.base[k]))
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := r.hit(k, out[i]), r.hit(k, out[j])
		if a.first.sentence != b.first.sentence {
			return a.first.sentence < b.first.sentence
		}
		return out[i] < out[j]
	})
	return out
}

func (r *report) hit(k kind, index int) *hit { return &r.s.hits[r.rs.id(k, index)] }
