/** How curves are drawn: two scales, colours of the theme, and what is marked below and above them. */
import type uPlot from 'uplot';
import type { Drawn } from '../model/curves';

export interface ChartLook {
  /** Whose theme it is. */
  node: HTMLElement;
  width: number;
  height: number;
  /** Names of the two, with their units. */
  watts: string;
  celsius: string;
  /** Whether any temperature is known: otherwise there is no scale of it. */
  heated: boolean;
  drawn: () => Drawn;
  marks: () => readonly [time: number, label: string][];
  onCursor: () => void;
  /** A part of the time was chosen; null is all of it. */
  onZoom: (part: [number, number] | null) => void;
}

/** A colour of the theme as a canvas takes it; where the system has chosen colours, one of those. */
export function colour(node: Element, name: string, forced: string): string {
  if (typeof matchMedia === 'function' && matchMedia('(forced-colors: active)').matches) {
    return forced;
  }
  return getComputedStyle(node).getPropertyValue(name).trim() || forced;
}

export function chartOptions(look: ChartLook): uPlot.Options {
  const { node } = look;
  const text = () => colour(node, '--jp-ui-font-color2', 'CanvasText');
  const grid = { stroke: () => colour(node, '--jp-border-color3', 'GrayText'), width: 1 };
  const line = () => colour(node, '--jp-border-color2', 'GrayText');
  const watts = () => colour(node, '--jp-brand-color1', 'LinkText');
  const celsius = () => colour(node, '--jp-info-color1', 'CanvasText');
  const axis = { stroke: text, ticks: { stroke: line, width: 1, size: 4 }, font: '11px system-ui, sans-serif', labelFont: '11px system-ui, sans-serif', labelSize: 16 };
  return {
    width: look.width,
    height: look.height,
    legend: { show: false },
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      bind: {
        dblclick: () => () => {
          look.onZoom(null);
          return null;
        }
      }
    },
    scales: {
      x: { time: true },
      W: { range: (_, low, high) => [Math.min(low, high * 0.7), high > low ? high * 1.05 : high + 1] },
      C: { range: (_, low, high) => (Number.isFinite(low) ? [Math.floor(low) - 1, Math.ceil(high) + 1] : [0, 1]) }
    },
    axes: [
      { ...axis, grid, size: 28, values: (_, ticks) => ticks.map((tick, i) => clockOf(tick, ticks[i + 1] ?? tick, ticks[i - 1])) },
      { ...axis, scale: 'W', grid, label: look.watts, size: 48 },
      { ...axis, show: look.heated, scale: 'C', side: 1, grid: { show: false }, label: look.celsius, size: 40 }
    ],
    series: [
      {},
      { scale: 'W', label: look.watts, stroke: watts, width: 1.5, spanGaps: false, points: { show: false } },
      // A second line is told from the first by its dashes, too.
      { scale: 'C', label: look.celsius, stroke: celsius, width: 1.5, dash: [5, 3], spanGaps: false, points: { show: false } }
    ],
    hooks: {
      drawClear: [plot => slowed(plot, look.drawn(), colour(node, '--jp-warn-color1', 'Highlight'))],
      draw: [plot => marked(plot, look.marks(), text())],
      setCursor: [look.onCursor],
      setSelect: [
        plot => {
          const { left, width } = plot.select;
          if (width > 2) {
            look.onZoom([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]);
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          }
        }
      ]
    }
  };
}

function clockOf(tick: number, next: number, before: number | undefined): string {
  const then = new Date(tick * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const step = next - tick || (before === undefined ? 60 : tick - before);
  const ofDay = `${two(then.getHours())}:${two(then.getMinutes())}`;
  if (step >= 86400 || (ofDay === '00:00' && before !== undefined)) {
    return `${two(then.getMonth() + 1)}-${two(then.getDate())}`;
  }
  return step < 60 ? `${ofDay}:${two(then.getSeconds())}` : ofDay;
}

/** The times in which something was slowed: a ground below the curves, and a bar on top that needs no colour. */
function slowed(plot: uPlot, drawn: Drawn, fill: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = fill;
  for (const [from, to] of drawn.slowed) {
    const left = plot.valToPos(from, 'x', true);
    const width = Math.max(plot.valToPos(to, 'x', true) - left, 2);
    ctx.globalAlpha = 0.2;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(left, bbox.top, width, 3);
  }
  ctx.restore();
}

/** Begin and end of the job, as lines with their names. */
function marked(plot: uPlot, marks: readonly [number, string][], stroke: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = stroke;
  ctx.lineWidth = 1;
  ctx.font = `${Math.round((11 * bbox.height) / plot.over.clientHeight || 11)}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  for (const [time, label] of marks) {
    const x = Math.round(plot.valToPos(time, 'x', true)) + 0.5;
    if (x >= bbox.left && x <= bbox.left + bbox.width) {
      ctx.setLineDash([2, 3]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const room = bbox.left + bbox.width - x > ctx.measureText(label).width + 8;
      ctx.textAlign = room ? 'left' : 'right';
      ctx.fillText(label, room ? x + 4 : x - 4, bbox.top + 5);
    }
  }
  ctx.restore();
}
