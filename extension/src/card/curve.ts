/** A small curve over the time, with the times marked in which something was slowed. */
import { svg } from './dom';

export interface Point {
  time: number;
  value: number | null;
  marked: boolean;
}

const WIDTH = 200;
const MOST = 200;

export class Curve {
  /**
   * @param height of its own units, which are pixels as long as nothing stretches it.
   * @param className gives it its colour.
   */
  constructor(
    private _height: number,
    className: string
  ) {
    this._marks = svg('g', { class: 'jp-Sovlab-curve-marks' });
    this._line = svg('path', { class: 'jp-Sovlab-curve-line', fill: 'none' });
    this.node = svg(
      'svg',
      {
        class: `jp-Sovlab-curve ${className}`,
        viewBox: `0 0 ${WIDTH} ${_height}`,
        preserveAspectRatio: 'none',
        role: 'img'
      },
      this._marks,
      this._line
    );
  }

  readonly node: SVGElement;

  /** @param label what it shows, in words: a screen reader has nothing else of it. */
  draw(points: readonly Point[], label: string): void {
    const told = thinned(points);
    this.node.setAttribute('aria-label', label);
    const values = told.map(point => point.value).filter((value): value is number => value !== null);
    if (values.length < 2) {
      this._line.setAttribute('d', '');
      this._marks.replaceChildren();
      return;
    }
    const top = values.reduce((a, b) => Math.max(a, b));
    // A flat curve stays flat, rather than show its noise as mountains.
    const low = Math.min(
      values.reduce((a, b) => Math.min(a, b)),
      top * 0.7
    );
    const first = told[0].time;
    const span = told[told.length - 1].time - first || 1;
    const x = (time: number) => (((time - first) / span) * WIDTH).toFixed(1);
    const y = (value: number) =>
      (this._height - 2 - ((value - low) / (top - low || 1)) * (this._height - 4)).toFixed(1);
    let path = '';
    let drawing = false;
    for (const point of told) {
      if (point.value === null) {
        drawing = false;
      } else {
        path += `${drawing ? 'L' : 'M'}${x(point.time)} ${y(point.value)}`;
        drawing = true;
      }
    }
    this._line.setAttribute('d', path);
    this._marks.replaceChildren(
      ...spans(told).map(([from, to]) => {
        const width = Math.max(Number(x(to)) - Number(x(from)), 1);
        return svg('rect', { x: x(from), y: 0, width, height: this._height });
      })
    );
  }

  private _line: SVGElement;
  private _marks: SVGElement;
}

function spans(points: readonly Point[]): [number, number][] {
  const found: [number, number][] = [];
  let from: number | null = null;
  for (const point of points) {
    if (point.marked && from === null) {
      from = point.time;
    } else if (!point.marked && from !== null) {
      found.push([from, point.time]);
      from = null;
    }
  }
  if (from !== null) {
    found.push([from, points[points.length - 1].time]);
  }
  return found;
}

/** Of more points than can be seen, means of neighbours; a mark in one of them is a mark of all. */
function thinned(points: readonly Point[]): Point[] {
  const each = Math.ceil(points.length / MOST);
  if (each <= 1) {
    return [...points];
  }
  const found: Point[] = [];
  for (let i = 0; i < points.length; i += each) {
    const some = points.slice(i, i + each);
    const values = some.map(point => point.value).filter((value): value is number => value !== null);
    found.push({
      time: some[some.length - 1].time,
      value: values.length ? values.reduce((a, b) => a + b) / values.length : null,
      marked: some.some(point => point.marked)
    });
  }
  return found;
}
