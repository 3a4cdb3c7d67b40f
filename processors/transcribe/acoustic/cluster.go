package acoustic

import (
	"math"
	"math/rand/v2"
	"slices"

	"earshot/processors/transcribe/speech"
)

// Turns tells the voices apart: k-means over the blocks, from two voices up
// while all of them are distinct and say something, then the cheapest way
// through the call (Viterbi) with a price on every change of voice. One voice
// gives one turn for each stretch of speech, of speaker 0.
func (v *Voices) Turns() []Turn {
	if len(v.blocks) == 0 {
		return nil
	}
	points := v.points()
	best := clustering{labels: make([]int, len(points)), apart: math.Inf(1)}
	enough := two
	for k := 2; k <= min(v.most, len(points)); k++ {
		c := v.cluster(points, k)
		if c.apart < enough || c.fewest < leastTalk {
			break
		}
		best, enough = c, more
	}
	return v.turns(points, best)
}

type point [features]float64

// points are the blocks averaged with their neighbours in the same stretch,
// each feature in units of how it changes from block to block.
func (v *Voices) points() []point {
	n := len(v.blocks)
	points := make([]point, n)
	typical := v.typicalPitch()
	for i := range v.blocks {
		from, to := i, i+1
		for from > 0 && i-from < reach && !v.blocks[from].Pause {
			from--
		}
		for to < n && to-i <= reach && !v.blocks[to].Pause {
			to++
		}
		for f := range features {
			total, known := 0.0, 0
			for _, b := range v.blocks[from:to] {
				if x := float64(b.Vector[f]); !math.IsNaN(x) {
					total, known = total+x, known+1
				}
			}
			points[i][f] = typical
			if known > 0 {
				points[i][f] = total / float64(known)
			}
		}
	}
	changes := v.changes()
	for f := range features {
		mean := 0.0
		for _, p := range points {
			mean += p[f] / float64(n)
		}
		for i := range points {
			points[i][f] = (points[i][f] - mean) / changes[f]
		}
	}
	return points
}

// changes is how much each feature changes from one block to the next within a
// stretch, where nearly always one speaks: what changes more than that over the
// call is the voice and not the phonemes.
func (v *Voices) changes() (changes point) {
	for f := range features {
		square, n := 0.0, 0.0
		for i := 1; i < len(v.blocks); i++ {
			d := float64(v.blocks[i].Vector[f] - v.blocks[i-1].Vector[f])
			if !v.blocks[i].Pause && !math.IsNaN(d) {
				square, n = square+d*d, n+1
			}
		}
		changes[f] = math.Sqrt(square/(2*max(1, n))) + 1e-6
	}
	return changes
}

func (v *Voices) typicalPitch() float64 {
	var known []float64
	for _, b := range v.blocks {
		if x := float64(b.Vector[cepstra]); !math.IsNaN(x) {
			known = append(known, x)
		}
	}
	if len(known) == 0 {
		return 0
	}
	slices.Sort(known)
	return known[len(known)/2]
}

// clustering is a division of the blocks among voices.
type clustering struct {
	labels  []int
	centres []point
	spread  point   // within voices, by feature
	apart   float64 // distance of the two that are closest, in their spread along the line between them
	fewest  int     // blocks of the one who says least
}

// cluster divides the blocks among k voices.
func (v *Voices) cluster(points []point, k int) clustering {
	random := rand.New(rand.NewPCG(uint64(k), uint64(len(points)))) //nolint:gosec // a repeatable start, no secret
	best := clustering{}
	least := math.Inf(1)
	for range starts {
		centres := plant(points, k, random)
		labels := make([]int, len(points))
		cost := 0.0
		for range rounds {
			var changed bool
			if cost, changed = nearest(points, centres, labels); !changed {
				break
			}
			centres = means(points, labels, k)
		}
		if cost < least {
			least, best = cost, clustering{labels: labels, centres: centres}
		}
	}
	for range 3 { // the voices by their turns, the turns by the voices
		best.spread = spreadOf(points, best)
		best.labels = v.path(points, best)
		best.centres = means(points, best.labels, k)
	}
	best.spread = spreadOf(points, best)
	best.apart, best.fewest = separation(points, best)
	best.apart -= restless * v.midSpeech(best.labels)
	return best
}

// midSpeech is the part of all changes of voice that have no pause between.
func (v *Voices) midSpeech(labels []int) float64 {
	inner, all := 0.0, 0.0
	for i := 1; i < len(labels); i++ {
		if labels[i] != labels[i-1] {
			all++
			if !v.blocks[i].Pause {
				inner++
			}
		}
	}
	return inner / max(1, all)
}

// plant picks k points far from each other (k-means++, Arthur and Vassilvitskii 2007).
func plant(points []point, k int, random *rand.Rand) []point {
	centres := []point{points[random.IntN(len(points))]}
	for len(centres) < k {
		weights := make([]float64, len(points))
		total := 0.0
		for i, p := range points {
			weights[i] = math.Inf(1)
			for _, c := range centres {
				weights[i] = min(weights[i], distance(p, c))
			}
			total += weights[i]
		}
		at := random.Float64() * total
		i := 0
		for ; i < len(points)-1 && at > weights[i]; i++ {
			at -= weights[i]
		}
		centres = append(centres, points[i])
	}
	return centres
}

func distance(a, b point) (d float64) {
	for f := range a {
		d += (a[f] - b[f]) * (a[f] - b[f])
	}
	return d
}

func nearest(points, centres []point, labels []int) (cost float64, changed bool) {
	for i, p := range points {
		at, least := 0, math.Inf(1)
		for c := range centres {
			if d := distance(p, centres[c]); d < least {
				at, least = c, d
			}
		}
		changed = changed || labels[i] != at
		labels[i] = at
		cost += least
	}
	return cost, changed
}

func means(points []point, labels []int, k int) []point {
	centres, count := make([]point, k), make([]float64, k)
	for i, p := range points {
		count[labels[i]]++
		for f := range p {
			centres[labels[i]][f] += p[f]
		}
	}
	for c := range centres {
		for f := range centres[c] {
			centres[c][f] /= max(1, count[c])
		}
	}
	return centres
}

func spreadOf(points []point, c clustering) (spread point) {
	for i, p := range points {
		for f := range p {
			d := p[f] - c.centres[c.labels[i]][f]
			spread[f] += d * d / float64(len(points))
		}
	}
	for f := range spread {
		spread[f] += 0.05 // of a call in which a feature never varies
	}
	return spread
}

// price is what block i costs as voice c's: its squared distance in spreads,
// for all features together as for one, since neighbours share their blocks.
func price(p, centre, spread point) (cost float64) {
	for f := range p {
		d := p[f] - centre[f]
		cost += d * d / spread[f]
	}
	return cost / (2*reach + 1)
}

// path is the cheapest sequence of voices.
func (v *Voices) path(points []point, c clustering) []int {
	k := len(c.centres)
	cost, from := make([]float64, k), make([][]uint8, len(points))
	for i, p := range points {
		from[i] = make([]uint8, k)
		change := stay
		if v.blocks[i].Pause {
			change *= pauseCost
		}
		cheapest := 0
		for j := range cost {
			if cost[j] < cost[cheapest] {
				cheapest = j
			}
		}
		next := make([]float64, k)
		for j := range next {
			next[j], from[i][j] = cost[j], uint8(j)
			if i > 0 && cost[cheapest]+change < cost[j] {
				next[j], from[i][j] = cost[cheapest]+change, uint8(cheapest)
			}
			next[j] += price(p, c.centres[j], c.spread)
		}
		cost = next
	}
	at := 0
	for j := range cost {
		if cost[j] < cost[at] {
			at = j
		}
	}
	labels := make([]int, len(points))
	for i := len(points) - 1; i >= 0; i-- {
		labels[i] = at
		at = int(from[i][at])
	}
	return labels
}

// separation is how far apart the two closest voices are, and how many blocks
// the one has who says least.
func separation(points []point, c clustering) (apart float64, fewest int) {
	count := make([]int, len(c.centres))
	for _, l := range c.labels {
		count[l]++
	}
	apart, fewest = math.Inf(1), slices.Min(count)
	for a := range c.centres {
		for b := range a {
			length := math.Sqrt(distance(c.centres[a], c.centres[b]))
			var square float64
			var n int
			for i, p := range points {
				if l := c.labels[i]; l == a || l == b {
					along := 0.0
					for f := range p {
						along += (p[f] - c.centres[l][f]) * (c.centres[a][f] - c.centres[b][f])
					}
					along /= length + 1e-9
					square, n = square+along*along, n+1
				}
			}
			apart = min(apart, length/(2*math.Sqrt(square/float64(max(1, n)))+1e-9))
		}
	}
	return apart, fewest
}

// turns are the runs of one voice, in order of appearance.
func (v *Voices) turns(points []point, c clustering) (turns []Turn) {
	const half = float64(blockSize) / speech.Rate / 2
	names := map[int]int{}
	for i, b := range v.blocks {
		l := c.labels[i]
		if _, ok := names[l]; !ok {
			names[l] = len(names)
		}
		sure := sureOf(points[i], c, l)
		if n := len(turns) - 1; n >= 0 && turns[n].Speaker == names[l] && !b.Pause {
			t := &turns[n]
			said := t.To - t.From
			t.To = b.At + half
			t.Confidence = (t.Confidence*said + sure*2*half) / (said + 2*half)
			continue
		}
		turns = append(turns, Turn{From: b.At - half, To: b.At + half, Speaker: names[l], Confidence: sure})
	}
	return turns
}

// sureOf is how much likelier its voice is for a block than the next best one.
func sureOf(p point, c clustering, label int) float64 {
	if len(c.centres) < 2 {
		return 1
	}
	own, other := 0.0, math.Inf(1)
	for l := range c.centres {
		if cost := price(p, c.centres[l], c.spread); l == label {
			own = cost
		} else {
			other = min(other, cost)
		}
	}
	return 1 / (1 + math.Exp((own-other)/2))
}
