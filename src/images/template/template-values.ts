import type { Config, StreamConfig } from '../../config/config.ts';
import type { TemplateValues } from './render-template.ts';

/** Returns what image types of a stream can name in their files, for the build of that version. */
export function templateValues(config: Config, stream: StreamConfig, ref: string, version: string): TemplateValues {
  return {
    product: config.name,
    prefix: stream.imagePrefix,
    version,
    stream: stream.name,
    arch: stream.arch,
    ref,
    osName: stream.osName,
    remoteName: stream.remote.name,
    remoteUrl: stream.remote.url,
  };
}
