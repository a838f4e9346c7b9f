import { test } from 'vitest';
import { buildStreamStory } from '../support/buildstream-story.ts';

test('the BuildStream example: elements with their sources, unchanged without a build, one element changed, pulled', () =>
  buildStreamStory({ changeProject: (text) => text }));
