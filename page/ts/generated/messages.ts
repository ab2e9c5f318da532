// Generated from the Rust messages by `UPDATE=1 cargo test --test messages`. Do not edit.
import type { Message } from "../subscriptions.js";

/** One of each that the page's scripts take, and of each form that it has. */
export const messages = [
  {
    "kind": "status",
    "status": {
      "autoSync": {
        "changeCounter": 0,
        "enabled": true,
        "intervalMs": 30000,
        "maxQueueSize": 50,
        "nextSyncAt": null,
        "syncOnChange": false
      },
      "conflicts": 0,
      "connection": "unknown",
      "enabled": true,
      "error": null,
      "errorCode": null,
      "flaskConnected": false,
      "lastSyncTime": null,
      "othersWaiting": 0,
      "pending": 0,
      "progress": null,
      "rejected": 0,
      "syncStatus": "idle"
    },
    "unfinished": true,
    "v": 1
  },
  {
    "kind": "status",
    "status": {
      "autoSync": {
        "changeCounter": 2,
        "enabled": true,
        "intervalMs": 30000,
        "maxQueueSize": 50,
        "nextSyncAt": 1700000030000,
        "syncOnChange": false
      },
      "conflicts": 0,
      "connection": "online",
      "enabled": true,
      "error": null,
      "errorCode": null,
      "flaskConnected": true,
      "lastSyncTime": 1699999990000,
      "othersWaiting": 0,
      "pending": 2,
      "progress": {
        "done": 1,
        "total": 3
      },
      "rejected": 0,
      "syncStatus": "syncing"
    },
    "unfinished": true,
    "v": 1,
    "wakeIn": 30000
  },
  {
    "kind": "status",
    "status": {
      "autoSync": {
        "changeCounter": 0,
        "enabled": false,
        "intervalMs": 30000,
        "maxQueueSize": 50,
        "nextSyncAt": null,
        "syncOnChange": false
      },
      "conflicts": 1,
      "connection": "local-only",
      "enabled": false,
      "error": "The server cannot be reached.",
      "errorCode": null,
      "flaskConnected": false,
      "lastSyncTime": null,
      "othersWaiting": 0,
      "pending": 0,
      "progress": null,
      "rejected": 2,
      "syncStatus": "error"
    },
    "unfinished": true,
    "v": 1
  },
  {
    "kind": "status",
    "status": {
      "autoSync": {
        "changeCounter": 0,
        "enabled": true,
        "intervalMs": 30000,
        "maxQueueSize": 50,
        "nextSyncAt": null,
        "syncOnChange": false
      },
      "conflicts": 0,
      "connection": "online",
      "enabled": true,
      "error": null,
      "errorCode": null,
      "flaskConnected": true,
      "lastSyncTime": null,
      "othersWaiting": 0,
      "pending": 0,
      "progress": null,
      "rejected": 0,
      "syncStatus": "success"
    },
    "unfinished": false,
    "v": 1
  },
  {
    "kind": "metrics",
    "metrics": {
      "averageOperationTime": 6,
      "bySlice": {
        "files": {
          "delete": {
            "failed": 0,
            "successful": 0
          },
          "pull": {
            "failed": 0,
            "successful": 0
          },
          "push": {
            "conflicts": 0,
            "failed": 0,
            "rejected": 0,
            "successful": 1
          },
          "put": {
            "failed": 0,
            "successful": 1
          }
        }
      },
      "conflictOperations": 0,
      "failedOperations": 0,
      "lastOperationTime": 1765000000327,
      "oldestPendingAt": null,
      "operationTimes": [
        10,
        2
      ],
      "rejectedOperations": 0,
      "successfulOperations": 2,
      "totalOperations": 2
    },
    "v": 1
  },
  {
    "deletes": [
      "b"
    ],
    "kind": "changed",
    "n": 3,
    "origin": "tab",
    "position": 7,
    "puts": [
      {
        "id": "a",
        "value": {
          "id": "a",
          "x": 1
        }
      }
    ],
    "slice": "files",
    "v": 1
  },
  {
    "deletes": [
      "b"
    ],
    "kind": "changed",
    "more": true,
    "n": 3,
    "origin": "server",
    "position": 7,
    "puts": [
      {
        "id": "a",
        "value": {
          "id": "a",
          "x": 1
        }
      }
    ],
    "slice": "files",
    "v": 1
  },
  {
    "deletes": [
      "b"
    ],
    "kind": "changed",
    "n": 3,
    "origin": "rollback",
    "position": 7,
    "puts": [
      {
        "id": "a",
        "value": {
          "id": "a",
          "x": 1
        }
      }
    ],
    "slice": "files",
    "v": 1
  },
  {
    "kind": "folded",
    "n": 3,
    "position": 7,
    "slices": [
      "files"
    ],
    "v": 1
  },
  {
    "kind": "joined",
    "position": 7,
    "v": 1
  },
  {
    "kind": "rejected",
    "rejected": [
      {
        "at": 1700000000000,
        "code": "validation_failed",
        "id": "files/7/a",
        "itemId": "a",
        "message": "A name is missing.",
        "op": "put",
        "slice": "files",
        "value": {
          "id": "a"
        }
      },
      {
        "at": 1700000000000,
        "code": "validation_failed",
        "id": "files/7/a",
        "itemId": "a",
        "message": "A name is missing.",
        "op": "delete",
        "slice": "files"
      }
    ],
    "request": 9,
    "v": 1
  },
  {
    "kind": "rejections",
    "v": 1
  },
  {
    "changes": [
      {
        "id": "a",
        "state": "local"
      },
      {
        "id": "a",
        "state": "sending"
      },
      {
        "id": "a",
        "state": "synced"
      }
    ],
    "kind": "pending",
    "n": 3,
    "reset": true,
    "slice": "files",
    "v": 1
  },
  {
    "changes": [
      {
        "id": "a",
        "state": "local"
      },
      {
        "id": "a",
        "state": "sending"
      },
      {
        "id": "a",
        "state": "synced"
      }
    ],
    "kind": "pending",
    "reset": false,
    "slice": "files",
    "v": 1
  },
  {
    "code": "storage",
    "kind": "failed",
    "message": "Changes could not be kept yet.",
    "request": null,
    "v": 1
  },
  {
    "code": "missing_item",
    "id": "a",
    "kind": "warning",
    "message": "An update was not kept: there is no such item.",
    "slice": "files",
    "v": 1
  }
] satisfies Message[];
