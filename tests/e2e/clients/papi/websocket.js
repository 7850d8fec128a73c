// Loaded before everything else: Node has a WebSocket of its own since version 22.
import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket;
