/**
 * One line of a log as a terminal shows it: `\r` and backspace overwrite, SGR colours, all else is dropped. What
 * comes out is text and names of classes, never markup; long lines and many colours are bounded.
 */

/** A run of characters of one style. */
export interface Run {
  text: string;
  /** Classes such as `red`, `bold`; empty if it is plain. */
  classes: string[];
  /** A colour of the 256 or of the 16 million, as CSS; empty if none. */
  colour: string;
}

const LONGEST = 4000;
const MOST_RUNS = 200;
/** CSI sequences, OSC strings, other escapes, and controls but tab, `\r` and backspace. */
// eslint-disable-next-line no-control-regex
const OTHER = /\x1b\[([0-9;:?<=>!]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?|[\x00-\x07\x0a-\x0c\x0e-\x1f\x7f-\x9f]/g;
/** What moves the cursor or takes something away: without it, characters stand as they came. */
// eslint-disable-next-line no-control-regex
const MOVES = /[\r\b]|\x1b\[[0-9;:?<=>!]*[ -/]*[KG]/;
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const LEVELS = [0, 95, 135, 175, 215, 255];

interface Style {
  bold: boolean;
  faint: boolean;
  italic: boolean;
  underline: boolean;
  name: string;
  colour: string;
}

const PLAIN: Style = { bold: false, faint: false, italic: false, underline: false, name: '', colour: '' };

/** Whether a line has anything but plain text in it. */
// eslint-disable-next-line no-control-regex
export const hasControls = (line: string): boolean => /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(line);

/** The runs of a line; plain text is one. */
export function runs(line: string): Run[] {
  const cut = line.length > LONGEST;
  if (!hasControls(line)) {
    const text = cut ? `${line.slice(0, LONGEST)}… ${line.length - LONGEST} more characters` : line;
    return [{ text, classes: [], colour: '' }];
  }
  return merged(cells(line.slice(-4 * LONGEST)));
}

/** A line without colours, for searching, copying and saving. */
export function plain(line: string): string {
  if (!hasControls(line)) {
    return line;
  }
  if (!MOVES.test(line)) {
    return line.replace(OTHER, '');
  }
  return cells(line)
    .map(cell => cell.char)
    .join('');
}

interface Cell {
  char: string;
  style: Style;
}

function cells(line: string): Cell[] {
  const row: Cell[] = [];
  let column = 0;
  let style = PLAIN;
  const put = (text: string) => {
    for (const char of text) {
      if (char === '\r') {
        column = 0;
      } else if (char === '\b') {
        column = Math.max(column - 1, 0);
      } else {
        while (row.length < column) {
          row.push({ char: ' ', style: PLAIN });
        }
        row[column++] = { char, style };
      }
    }
  };
  let last = 0;
  OTHER.lastIndex = 0;
  for (let match = OTHER.exec(line); match; match = OTHER.exec(line)) {
    put(line.slice(last, match.index));
    last = match.index + match[0].length;
    const [, parameters, kind] = match;
    if (kind === 'm') {
      style = styled(style, parameters);
    } else if (kind === 'K') {
      const erase = parameters || '0';
      if (erase === '0') {
        row.length = Math.min(row.length, column);
      } else if (erase === '2') {
        row.length = 0;
      }
    } else if (kind === 'G') {
      column = Math.min(Math.max(Number(parameters) || 1, 1), LONGEST) - 1;
    }
  }
  put(line.slice(last));
  return row;
}

function styled(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).slice(0, 50).map(Number);
  let next = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) {
      next = { ...PLAIN };
    } else if (code === 1) {
      next.bold = true;
    } else if (code === 2) {
      next.faint = true;
    } else if (code === 3) {
      next.italic = true;
    } else if (code === 4) {
      next.underline = true;
    } else if (code === 22) {
      next.bold = next.faint = false;
    } else if (code === 23) {
      next.italic = false;
    } else if (code === 24) {
      next.underline = false;
    } else if (code === 39) {
      next.name = next.colour = '';
    } else if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) {
      next.name = NAMES[code % 10];
      next.colour = '';
    } else if (code === 38 || code === 48) {
      const [colour, name, used] = extended(codes.slice(i + 1));
      i += used;
      if (code === 38) {
        next.colour = colour;
        next.name = name;
      }
    }
  }
  return next;
}

function extended(codes: number[]): [colour: string, name: string, used: number] {
  const byte = (value: number) => Math.min(Math.max(Math.floor(value) || 0, 0), 255);
  if (codes[0] === 2) {
    return [`rgb(${codes.slice(1, 4).map(byte).join(', ')})`, '', 4];
  }
  const index = byte(codes[1]);
  if (codes[0] !== 5) {
    return ['', '', 0];
  }
  if (index < 16) {
    return ['', NAMES[index % 8], 2];
  }
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [`rgb(${grey}, ${grey}, ${grey})`, '', 2];
  }
  const cube = index - 16;
  const parts = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level => LEVELS[level]);
  return [`rgb(${parts.join(', ')})`, '', 2];
}

function merged(row: Cell[]): Run[] {
  const found: Run[] = [];
  let style: Style | null = null;
  for (const cell of row.slice(0, LONGEST)) {
    if (cell.style !== style && found.length < MOST_RUNS) {
      style = cell.style;
      found.push({ text: '', classes: classes(style), colour: style.colour });
    }
    found[found.length - 1].text += cell.char;
  }
  if (row.length > LONGEST) {
    found.push({ text: `… ${row.length - LONGEST} more characters`, classes: ['faint'], colour: '' });
  }
  return found;
}

function classes(style: Style): string[] {
  const flags = (['bold', 'faint', 'italic', 'underline'] as const).filter(flag => style[flag]);
  return style.name ? [...flags, style.name] : flags;
}
