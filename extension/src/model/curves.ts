/** The power and heat of a job over its time, as numbers to draw: what is not known is a gap, never a guess and never 0. */

/** What the job's devices drew, and how hot the hottest was, at one time. */
export interface Sample {
  time: number;
  watts: number | null;
  celsius: number | null;
  slowed: boolean;
  /** Seconds after `time` of which `watts` is the mean; none for what was seen at one time. */
  seconds?: number;
}

/** Seconds of points of the server, see `STEPS` of the package's history: a point may know fewer than it stands for. */
const STEPS = [1, 10, 60, 600, 3600];
/** The newest, which are held as they came. */
const FINE = 600;
/** Seconds without a sample of those that come as they are seen, after which there is a gap. */
const SILENCE = 5;

/** What is drawn: columns of one length, times in between, and spans that are marked. */
export interface Drawn {
  times: number[];
  watts: (number | null)[];
  celsius: (number | null)[];
  slowed: [from: number, to: number][];
  /** Of each column, the seconds that its values are means of; 0 for what was seen at one time. */
  seconds: number[];
}

/** Samples as columns; between two that are apart stands one of nothing, so that no line joins them. */
export function drawn(samples: readonly Sample[]): Drawn {
  const made: Drawn = { times: [], watts: [], celsius: [], slowed: [], seconds: [] };
  const silence = silenceOf(samples);
  const put = (time: number, watts: number | null, celsius: number | null, seconds: number) => {
    made.times.push(time);
    made.watts.push(watts);
    made.celsius.push(celsius);
    made.seconds.push(seconds);
  };
  samples.forEach((sample, i) => {
    const before = samples[i - 1];
    const after = samples[i + 1];
    const end = before ? before.time + lengthOf(before, silence) : -Infinity;
    if (before && sample.time > end) {
      put((middle(before) + middle(sample)) / 2, null, null, 0);
    }
    put(middle(sample), sample.watts, sample.celsius, sample.seconds ?? 0);
    if (sample.slowed) {
      const joined = after && after.time <= sample.time + lengthOf(sample, silence);
      const until = joined ? after.time : sample.time + (sample.seconds ?? 1);
      const last = made.slowed[made.slowed.length - 1];
      if (last && last[1] >= sample.time) {
        last[1] = until;
      } else {
        made.slowed.push([sample.time, until]);
      }
    }
  });
  return made;
}

/**
 * Samples in room that does not grow with time: the last ten minutes as they came, what is older in ever longer means.
 *
 * @param most samples that may remain.
 */
export function thinned(samples: readonly Sample[], most: number): Sample[] {
  let made = [...samples];
  for (let step = 10; made.length > most && step < 1e7; step *= 6) {
    const newest = made[made.length - 1].time;
    const fine = made.findIndex(sample => sample.time > newest - FINE);
    made = [...means(made.slice(0, fine), step), ...made.slice(fine)];
  }
  return made.slice(-most);
}

function means(samples: readonly Sample[], step: number): Sample[] {
  const made: Sample[] = [];
  let some: Sample[] = [];
  const close = () => {
    if (some.length === 1) {
      made.push(some[0]);
    } else if (some.length) {
      const watts = some.map(sample => sample.watts).filter((value): value is number => value !== null);
      const celsius = some.map(sample => sample.celsius).filter((value): value is number => value !== null);
      const last = some[some.length - 1];
      made.push({
        time: some[0].time,
        watts: watts.length ? watts.reduce((sum, value) => sum + value, 0) / watts.length : null,
        celsius: celsius.length ? Math.max(...celsius) : null,
        slowed: some.some(sample => sample.slowed),
        seconds: last.time + (last.seconds ?? 1) - some[0].time
      });
    }
    some = [];
  };
  const silence = silenceOf(samples);
  for (const sample of samples) {
    const last = some[some.length - 1];
    const apart = last && (sample.time - some[0].time >= step || sample.time > last.time + lengthOf(last, silence));
    if (apart || (sample.seconds ?? 0) >= step) {
      close();
    }
    some.push(sample);
  }
  close();
  return made;
}

/** Seconds after the begin of a sample in which the next one has to come, or something is missing. */
function lengthOf(sample: Sample, silence: number): number {
  const { seconds } = sample;
  return seconds === undefined ? silence : 1.5 * (STEPS.find(step => step >= seconds) ?? seconds);
}

/** How far apart samples may be that come as they are seen: `--power-rate` says how often that is. */
function silenceOf(samples: readonly Sample[]): number {
  const live = samples.filter(sample => sample.seconds === undefined).slice(-21);
  const apart = live.slice(1).map((sample, i) => sample.time - live[i].time);
  apart.sort((a, b) => a - b);
  return Math.max(SILENCE, 2.5 * (apart[Math.floor(apart.length / 2)] ?? 0));
}

function middle(sample: Sample): number {
  return sample.time + (sample.seconds ?? 0) / 2;
}
