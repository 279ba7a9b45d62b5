// What Lumino asks of a browser when it is loaded, and jsdom has not.
if (typeof document !== 'undefined') {
  globalThis.DragEvent ??= class DragEvent extends MouseEvent {};
}
